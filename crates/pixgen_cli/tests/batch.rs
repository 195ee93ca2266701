//! `dgx-pixels batch`: a line is a sprite, once, whatever happens on the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{alphas, colors, command, names, paths, picture, run, send, stderr, stdout, wait_until, words};
use pixgen_engine::Provenance;

#[test]
fn the_line_of_the_design_draws_a_list_of_items() {
    let folder = tempfile::tempdir().unwrap();
    let items = "# for the shop\na red potion\na golden key | kind=item colors=8\n\na red potion | seed=5\n";
    std::fs::write(folder.path().join("items.txt"), items).unwrap();
    let line = words("dgx-pixels batch items.txt --style 16bit --size 64 --output ./assets/items/");
    let line: Vec<_> = line.iter().map(String::as_str).collect();
    let mut written = paths(folder.path(), &line);
    written.sort();
    let expected = ["a-golden-key.png", "a-red-potion-2.png", "a-red-potion.png", "items-sheet.png"];
    assert_eq!(written, expected.map(|name| Path::new("./assets/items/").join(name)));
    assert_eq!(names(&folder.path().join("assets/items")), expected);
    for name in &expected[..3] {
        let sprite = picture(&folder.path().join("assets/items").join(name));
        assert_eq!(sprite.dimensions(), (64, 64));
        assert!(colors(&sprite).len() <= 16 && alphas(&sprite).iter().eq(&[0, 255]), "{name}");
    }
    assert!(colors(&picture(&folder.path().join("assets/items/a-golden-key.png"))).len() <= 8);

    // An artist paints one over, with a program that drops what the file says: it stays.
    let painted = folder.path().join("assets/items/a-golden-key.png");
    image::RgbaImage::from_pixel(64, 64, image::Rgba([9, 9, 9, 255])).save(&painted).unwrap();
    // The same again: nothing to do. A new line: only that one.
    assert_eq!(paths(folder.path(), &line), [Path::new("./assets/items/items-sheet.png")]);
    std::fs::write(folder.path().join("items.txt"), format!("{items}a book | name=tome\n")).unwrap();
    assert_eq!(paths(folder.path(), &line)[0], Path::new("./assets/items/tome.png"));
    assert_eq!(names(&folder.path().join("assets/items")).len(), 5);
    assert_eq!(picture(&painted).get_pixel(0, 0).0, [9, 9, 9, 255]);
}

#[test]
fn tables_and_json_are_batches_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "prompt,name,size,steps,seed\na key,k,16,1,3\n").unwrap();
    let json = "{\"prompt\": \"a key\", \"name\": \"j\", \"size\": 16, \"steps\": 1, \"seed\": 3}\n";
    std::fs::write(folder.path().join("b.jsonl"), json).unwrap();
    paths(folder.path(), &["batch", "a.csv", "--no-contact-sheet"]);
    paths(folder.path(), &["batch", "b.jsonl", "--no-contact-sheet"]);
    let output = folder.path().join("output");
    assert_eq!(names(&output), ["j.png", "k.png"]);
    assert_eq!(picture(&output.join("j.png")), picture(&output.join("k.png")));
}

#[test]
fn one_palette_serves_all() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a red potion\na green slime | kind=monster\na blue potion\n").unwrap();
    paths(folder.path(), &["batch", "a.txt", "--size=16", "--joint-palette=12", "--output=out", "--no-contact-sheet"]);
    let sprites: Vec<_> =
        names(&folder.path().join("out")).iter().map(|name| folder.path().join("out").join(name)).collect();
    assert_eq!(sprites.len(), 3);
    let all: HashSet<_> = sprites.iter().flat_map(|path| colors(&picture(path))).collect();
    assert!((6..=12).contains(&all.len()), "{}", all.len());
    // The request in the file names the palette: it draws the same sprite again.
    let request = Provenance::request_of(&std::fs::read(&sprites[0]).unwrap()).unwrap().unwrap();
    assert!(format!("{:?}", request.pixel_art.palette).starts_with("Colors("));
    // A line that comes later gets the same colours.
    std::fs::write(folder.path().join("a.txt"), "a red potion\na green slime | kind=monster\na blue potion\na key\n")
        .unwrap();
    let more = ["batch", "a.txt", "--size=16", "--joint-palette=12", "--output=out", "--no-contact-sheet"];
    assert_eq!(paths(folder.path(), &more), [Path::new("out/a-key.png")]);
    let key = colors(&picture(&folder.path().join("out/a-key.png")));
    assert!(key.is_subset(&all.into_iter().collect()), "{key:?}");
}

#[test]
fn a_failed_line_is_listed_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    // A model whose weights are missing is only found out when it is loaded.
    let broken = folder.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("model_index.json"), "{}").unwrap();
    std::fs::write(folder.path().join("a.txt"), "a key\na sword | model=broken kind=weapon\n").unwrap();
    let line = ["batch", "a.txt", "--size=16", "--steps=1", "--jobs=1", "--output=out"];
    let line: Vec<_> = line.iter().copied().chain(["--size=64"]).filter(|word| *word != "--size=16").collect();
    let output = run(folder.path(), &line);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("failed: line 2, a sword: "), "{}", stderr(&output));
    assert_eq!(names(&folder.path().join("out")), ["a-key.png", "a-sheet.png", "a.failures.jsonl"]);
    let list = std::fs::read_to_string(folder.path().join("out/a.failures.jsonl")).unwrap();
    assert!(list.contains("\"prompt\":\"a sword\"") && list.contains("\"error\":"), "{list}");

    std::fs::write(folder.path().join("a.txt"), "a key\na sword | kind=weapon\n").unwrap();
    assert_eq!(paths(folder.path(), &line)[0], Path::new("out/a-sword.png"));
    assert!(!folder.path().join("out/a.failures.jsonl").exists());
}

#[test]
fn two_runs_of_one_batch_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a key | count=40\n").unwrap();
    let line = ["batch", "a.txt", "--size=16", "--no-contact-sheet"];
    let mut first = command(folder.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let journal = folder.path().join("output/.a.batch/journal.jsonl");
    wait_until(|| journal.exists());
    let second = run(folder.path(), &line);
    assert!(stderr(&second).contains("another run is drawing this batch"), "{}", stderr(&second));
    assert_eq!(second.status.code(), Some(2));
    first.kill().unwrap();
    first.wait().unwrap();
}

/// A name is given back when its line is gone before it was drawn, and must then be given once only.
#[test]
fn lines_that_want_one_name_each_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let x = folder.path().join("out/x.png");
    let draw = |lines: &str| {
        std::fs::write(folder.path().join("a.txt"), lines).unwrap();
        let line = ["batch", "a.txt", "--size=16", "--steps=1", "--joint-palette=8", "--output=out"];
        paths(folder.path(), &line.into_iter().chain(["--no-contact-sheet"]).collect::<Vec<_>>())
    };
    // Without its sprite a line is as if a kill had come before it was drawn.
    for first in ["a golden key | name=x\n", "a steel sword | name=x\n"] {
        assert_eq!(draw(first), [Path::new("out/x.png")]);
        std::fs::remove_file(&x).unwrap();
    }
    let both = draw("a steel sword | name=x\na spell book | name=x\n");
    assert_eq!(both, [Path::new("out/x.png"), Path::new("out/x-2.png")]);
    let prompt = |name: &str| {
        let png = std::fs::read(folder.path().join("out").join(name)).unwrap();
        Provenance::request_of(&png).unwrap().unwrap().prompt
    };
    assert_eq!((prompt("x.png"), prompt("x-2.png")), ("a steel sword".into(), "a spell book".into()));
}

/// What stands under a sprite's name counts only if it is that sprite, not another one of the same seed.
#[test]
fn a_sprite_of_another_request_is_not_taken_for_this_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a golden key\na spell book\n").unwrap();
    let out = folder.path().join("out");
    let draw = |size: &str| {
        let line = ["batch", "a.txt", "--seed=1", "--steps=1", "--output=out", "--no-contact-sheet", size];
        paths(folder.path(), &line)
    };
    assert_eq!(draw("--size=16").len(), 2);
    // As if a kill had come before they were drawn: their names are free for the next run.
    for name in names(&out) {
        std::fs::remove_file(out.join(name)).unwrap();
    }
    assert_eq!(draw("--size=32").len(), 2);
    let again: HashSet<_> = draw("--size=16").into_iter().collect();
    assert_eq!(again, ["out/a-golden-key-2.png", "out/a-spell-book-2.png"].map(Into::into).into());
    let widths = names(&out).into_iter().map(|name| picture(&out.join(name)).width());
    assert_eq!(widths.collect::<Vec<_>>(), [16, 32, 16, 32]);
    assert!(draw("--size=16").is_empty() && draw("--size=32").is_empty());
}

/// A kill while sprites are drawn, and kills while they are coloured and put in place.
#[test]
fn a_joint_palette_survives_kills() {
    const LINES: usize = 24;
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..LINES).map(|line| format!("a potion number {}\n", line / 2)).collect();
    std::fs::write(folder.path().join("a.txt"), lines).unwrap();
    let line = ["batch", "a.txt", "--size=16", "--steps=1", "--joint-palette=12", "--output=out"];
    let line: Vec<_> = line.into_iter().chain(["--no-contact-sheet"]).collect();
    let (out, raw) = (folder.path().join("out"), folder.path().join("out/.a.batch/raw"));
    let pngs = |folder: &Path| match folder.is_dir() {
        true => names(folder).into_iter().filter(|name| name.ends_with(".png")).count(),
        false => 0,
    };
    let moments: [&dyn Fn() -> bool; 3] = [&|| pngs(&raw) >= LINES / 3, &|| pngs(&out) >= 1, &|| pngs(&out) >= 5];
    for moment in moments {
        let mut batch = command(folder.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(moment);
        // Colouring is fast: a run may be over before the kill, and then the next one finds nothing to do.
        let _ = batch.kill();
        batch.wait().unwrap();
    }
    let sprites_are_whole = || {
        let requests = names(&out).into_iter().map(|name| {
            let request = Provenance::request_of(&std::fs::read(out.join(name)).unwrap()).unwrap().unwrap();
            (request.prompt, request.seed)
        });
        let all: Vec<_> = requests.collect();
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (LINES, LINES), "{all:?}");
    };
    paths(folder.path(), &line);
    sprites_are_whole();
    assert_eq!(pngs(&raw), 0);
    let all: HashSet<_> = names(&out).iter().flat_map(|name| colors(&picture(&out.join(name)))).collect();
    assert!(all.len() <= 12, "{}", all.len());

    // The very moment between a sprite's appearance and the end of what waited for it.
    let name = names(&out).remove(3);
    std::fs::copy(out.join(&name), raw.join(&name)).unwrap();
    assert!(paths(folder.path(), &line).is_empty());
    sprites_are_whole();
    assert_eq!(pngs(&raw), 0);

    // Another palette, or none, is another batch.
    for other in ["--joint-palette=8", "--colors=8"] {
        let line: Vec<_> = line.iter().map(|word| if word.starts_with("--joint") { other } else { *word }).collect();
        let refused = run(folder.path(), &line);
        assert_eq!(refused.status.code(), Some(2), "{other}");
        assert!(stderr(&refused).contains("begun with --joint-palette 12 in out"), "{}", stderr(&refused));
    }
}

/// Two batches share an output folder, and neither clears away what the other one is writing.
#[test]
fn temporary_files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join(".dgx-pixels-other"), "half").unwrap();
    std::fs::write(folder.path().join("a.txt"), "a key\n").unwrap();
    paths(folder.path(), &["batch", "a.txt", "--size=16", "--steps=1", "--output=out"]);
    let mut all: Vec<_> = out.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    assert_eq!(all, [".a.batch", ".dgx-pixels-other", "a-key.png", "a-sheet.png"]);
    assert_eq!(names(&out.join(".a.batch")), ["journal.jsonl"], "nothing of its own is left");
}

/// Ctrl-C ends within a step, tells so with its exit code, and the same command goes on.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a key | count=60\n").unwrap();
    let line = ["batch", "a.txt", "--size=32", "--no-contact-sheet", "--jobs=1"];
    let batch = command(folder.path(), &line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = folder.path().join("output");
    wait_until(|| out.exists() && names(&out).len() >= 2);
    let pressed = Instant::now();
    send("INT", batch.id());
    let output = batch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(pressed.elapsed() < Duration::from_secs(20), "{:?}", pressed.elapsed());
    assert!(stderr(&output).contains("the same command goes on from there"), "{}", stderr(&output));
    let finished = names(&out);
    assert_eq!(stdout(&output).lines().count(), finished.len());
    for name in finished {
        assert_eq!(picture(&out.join(name)).dimensions(), (32, 32));
    }
}
