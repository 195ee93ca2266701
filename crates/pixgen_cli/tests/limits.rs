//! What must be done in a given time. These tests have a program of their own, and wait for each other: nothing else draws
//! meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{command, names, picture, run, stderr, stdout, wait_until, write};
use image::RgbaImage;
use pixgen_api::{Kind, Request};
use pixgen_engine::{Provenance, recipe_hash};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // Another test that failed is no reason for this one to.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines of the large batch.
const LINES: usize = 500;

/// 500 lines of 16 px and one step with the embedded model; SIGKILL five times on the way.
#[test]
fn a_batch_of_500_lines_survives_five_kills() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let things = ["a red potion", "a golden key", "a spell book", "a steel shield", "a green slime"];
    let lines: String = (0..LINES).map(|line| format!("{} number {}\n", things[line % 5], line / 10)).collect();
    std::fs::write(folder.path().join("many.txt"), lines).unwrap();
    let line = ["batch", "many.txt", "--size=16", "--steps=1", "--output=out"];
    let out = folder.path().join("out");
    let started = Instant::now();
    let count = || if out.exists() { names(&out).len() } else { 0 };
    for kill in 1..=5 {
        let mut batch = command(folder.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // At another moment of its work each time: early while it loads, late while it writes.
        let enough = kill * LINES / 7;
        wait_until(|| count() >= enough);
        std::thread::sleep(Duration::from_millis(3 * kill as u64));
        batch.kill().unwrap();
        assert!(!batch.wait().unwrap().success(), "it was done before kill {kill}");
        assert!(count() < LINES);
    }
    let output = run(folder.path(), &line);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("sprites were there already"), "{}", stderr(&output));

    let mut found: Vec<_> = names(&out);
    let sheet = found.iter().position(|name| name == "many-sheet.png").unwrap();
    found.remove(sheet);
    assert_eq!(found.len(), LINES, "one sprite a line");
    let mut requests = HashSet::new();
    for name in &found {
        let sprite = picture(&out.join(name));
        assert_eq!(sprite.dimensions(), (16, 16), "{name}");
        let request = Provenance::request_of(&std::fs::read(out.join(name)).unwrap()).unwrap().unwrap();
        assert!(requests.insert((request.prompt, request.seed)), "{name} was drawn twice");
    }
    let prompts: HashSet<_> = requests.iter().map(|(prompt, _)| prompt.clone()).collect();
    assert_eq!(prompts.len(), LINES / 2, "every line twice, as the file has it");
    let hidden = out.read_dir().unwrap().filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 1, "only the journal's folder is left beside the sprites");
    println!("500 lines with five kills: {:.0} s", started.elapsed().as_secs_f32());
    assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
}

#[test]
fn two_thousand_recipes_are_checked_in_two_seconds() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    for number in 0..2_000 {
        let recipe = Request { seed: Some(number), size_px: 32, ..Request::new(Kind::Item, format!("thing {number}")) };
        let stem = format!("assets/{:02}/thing-{number}", number % 40);
        write(game, &format!("{stem}.sprite.ron"), &format!("(prompt: \"thing {number}\", seed: {number})"));
        let sprite = RgbaImage::from_fn(32, 32, |x, y| image::Rgba([(x * y) as u8, x as u8, number as u8, 255]));
        let provenance = Provenance {
            request: Request { steps: Some(8), ..recipe.clone() },
            model: "m".into(),
            native_size_px: 32,
            inputs: Vec::new(),
            recipe: Some(recipe_hash(&recipe).unwrap()),
        };
        std::fs::write(game.join(format!("{stem}.png")), provenance.encode(&sprite).unwrap()).unwrap();
    }
    let times = [(); 3].map(|()| {
        let started = Instant::now();
        let check = run(game, &["bake", "assets", "--check"]);
        let took = started.elapsed();
        assert!(check.status.success() && check.stdout.is_empty() && check.stderr.is_empty(), "{}", stderr(&check));
        took
    });
    println!("2,000 recipes checked in {times:?}");
    // The fastest: a machine that was busy with something else says nothing about the check.
    assert!(times.iter().min() < Some(&Duration::from_secs(2)), "{times:?}");

    write(game, "assets/07/thing-1007.sprite.ron", "(prompt: \"thing 1007\", seed: 1008)");
    let check = run(game, &["bake", "assets", "--check"]);
    assert_eq!(check.status.code(), Some(3));
    assert_eq!(stdout(&check), "assets/07/thing-1007.sprite.ron\n");
}
