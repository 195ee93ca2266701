//! The program is killed at random moments while it draws, and again and again while it writes, and its disk is full:
//! nothing half-written is ever taken for a sprite, nothing is lost, and no job is forgotten.
//!
//! It has no test harness: the program starts itself as the one that is killed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use pixgen_api::{DevicePreference, EventKind, GenPath, JobId, Kind, Priority, Request};
use pixgen_engine::{Engine, EngineConfig, FakeBackend, HistoryQuery, JobOptions, Provenance, Store, bake_key};
use sha2::{Digest, Sha256};

/// The folder in which a started copy of this program works, and how.
const FOLDER: &str = "PIXGEN_TEST_FOLDER";
const ROLE: &str = "PIXGEN_TEST_ROLE";
const JOBS: u64 = 250;
const IMAGES: u32 = 2;
const KILLS: u32 = 60;
/// Where the program writes: the history with what belongs to it, and beside recipes.
const WRITTEN: [&str; 6] =
    [".pixgen/history", ".pixgen/inputs", ".pixgen/thumbnails", ".pixgen/bakes", ".pixgen/queue", "assets"];
/// How many kills are to leave a half-written file in each of these folders.
const HITS: usize = 10;
/// How long the program is hunted for them: where writing takes no time, in a target folder in memory, few kills hit it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Kills however long they take.
const LEAST_KILLS: usize = 50;

fn main() {
    match std::env::var(ROLE) {
        Ok(role) => play(&role, Path::new(&std::env::var(FOLDER).unwrap())),
        Err(_) => {
            killed_again_and_again();
            println!("test killed_again_and_again ... ok");
            killed_in_the_middle_of_every_kind_of_write();
            println!("test killed_in_the_middle_of_every_kind_of_write ... ok");
            if cfg!(unix) {
                a_full_disk_is_an_error_with_a_sentence();
                println!("test a_full_disk_is_an_error_with_a_sentence ... ok");
            }
        }
    }
}

fn engine(folder: &Path, paused: bool) -> Engine {
    let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"));
    let mut config = config.with_loader(FakeBackend::loader(Duration::from_millis(1))).with_kept_queue();
    config.start_paused = paused;
    Engine::start(config).unwrap()
}

fn prompt(job: u64) -> String {
    format!("sprite number {job}")
}

/// What a started copy does.
fn play(role: &str, folder: &Path) {
    match role {
        // Asks for all jobs and ends before any has begun.
        "ask" => {
            let engine = engine(folder, true);
            for job in 0..JOBS {
                let request = Request { count: IMAGES, ..Request::new(Kind::Item, prompt(job)) };
                let priority = Priority::ALL[job as usize % Priority::ALL.len()];
                engine.submit_with(
                    JobId::fresh(),
                    request,
                    JobOptions { priority, tag: Some(prompt(job)), ..JobOptions::default() },
                );
            }
        }
        // Draws what is left, until it is killed or nothing is left.
        "draw" => {
            let engine = engine(folder, false);
            let shown = GenPath::parse("shown.png").unwrap();
            while engine.queue_len() > 0 {
                let Ok(event) = engine.events().recv_timeout(Duration::from_secs(20)) else { break };
                match event.kind {
                    EventKind::Image(image) => drop(engine.store().accept(&image.hash, &shown).unwrap()),
                    EventKind::Failed(error) => panic!("{error}"),
                    _ => {}
                }
            }
        }
        "write" => write_for_ever(folder),
        // Writes to a full disk: says what the engine says.
        "full" => {
            let engine = engine(folder, false);
            let request = Request { size_px: 512, ..Request::new(Kind::Item, "a large coin") };
            engine.submit(Request {
                pixel_art: pixgen_api::PixelArt { colors: None, ..request.pixel_art.clone() },
                ..request
            });
            for event in engine.events() {
                match event.kind {
                    EventKind::Failed(error) => return println!("FAILED {error}"),
                    EventKind::Done(_) => return println!("DONE"),
                    _ => {}
                }
            }
        }
        other => panic!("no role {other}"),
    }
}

/// Draws one picture after another from one that it began with, makes its thumbnail, and puts it beside a recipe whose
/// text changes with it.
fn write_for_ever(folder: &Path) {
    let engine = engine(folder, false);
    let store = engine.store().in_folder(&folder.join("assets"));
    let recipe = folder.join("assets/knight.sprite.ron");
    for round in 0u64.. {
        let seed = u64::from(std::process::id()) << 20 | round;
        let picture = folder.join(format!("picture-{seed}.png"));
        noise(seed).save(&picture).unwrap();
        let mut request = Request { size_px: 256, seed: Some(seed), ..Request::new(Kind::Item, "a knight") };
        request.pixel_art.colors = None;
        request.init_image = Some(picture);
        let job = engine.submit(request.clone());
        let hash = loop {
            let event = engine.events().recv_timeout(Duration::from_secs(20)).unwrap();
            match event.kind {
                EventKind::Done(images) if event.job == job => break images[0].hash.clone(),
                EventKind::Failed(error) if event.job == job => panic!("{error}"),
                _ => {}
            }
        };
        store.thumbnail(&hash).unwrap();
        let before = fs::read_to_string(&recipe).unwrap();
        Store::replace_text(&recipe, &before, &recipe_text(seed)).unwrap();
        store.accept(&hash, &GenPath::parse("knight.png").unwrap()).unwrap();
        store.remember_bake(&bake_key(&request, &[]).unwrap(), &hash).unwrap();
    }
}

/// A recipe that is long enough to be written in pieces, with a mark at its end.
fn recipe_text(seed: u64) -> String {
    let comments = format!("// painted with love, number {seed}\n").repeat(2000);
    format!("{comments}(prompt: \"a knight\", seed: {seed})\n// end\n")
}

/// A picture that compresses badly: its file is large.
fn noise(seed: u64) -> image::RgbaImage {
    let mut random = seed;
    image::RgbaImage::from_fn(256, 256, |_, _| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [r, g, b, ..] = random.to_be_bytes();
        image::Rgba([r, g, b, 255])
    })
}

fn start(role: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap()).env(ROLE, role).env(FOLDER, folder).spawn().unwrap()
}

fn killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    assert!(start("ask", folder.path()).wait().unwrap().success());
    // A generator of no quality whatever decides when: every run kills at other moments, as the machine is never equal.
    let mut random = 12_345u64;
    let mut seen = BTreeSet::new();
    let (mut kills, mut temporary, mut without_progress) = (0, 0, 0);
    let history = folder.path().join(".pixgen/history");
    while kills < KILLS {
        let before = names_in(&history).len();
        let mut child = start("draw", folder.path());
        // A job that never gets on is given up after a while, as it should: that is not what is looked at here.
        let began = Instant::now();
        while without_progress >= 2 && names_in(&history).len() < before + 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is drawn");
            std::thread::sleep(Duration::from_millis(1));
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(4 + (random >> 33) % 60));
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()), "{ended:?}");
        assert!(ended.is_none(), "all jobs are done after {kills} kills: more are needed");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        without_progress = if names_in(&history).len() > before + 1 { 0 } else { without_progress + 1 };
        // Those of earlier kills are still there.
        temporary = check(folder.path(), &mut seen);
    }
    let before = seen.len();
    assert!(start("draw", folder.path()).wait().unwrap().success());
    check(folder.path(), &mut seen);
    println!("{kills} kills left {temporary} half-written files and {before} sprites, {} at the end", seen.len());

    let store = Store::new(&folder.path().join(".pixgen"), &folder.path().join("gen"));
    let drawn = store.history(&HistoryQuery::default()).unwrap();
    assert_eq!(drawn.len() as u64, JOBS * u64::from(IMAGES), "no image is missing and none is there twice");
    for job in 0..JOBS {
        let of_job: Vec<_> =
            drawn.iter().filter_map(|e| e.request.as_ref()).filter(|r| r.prompt == prompt(job)).collect();
        let mut seeds: Vec<_> = of_job.iter().filter_map(|request| request.seed).collect();
        seeds.sort_unstable();
        assert_eq!(seeds.len(), IMAGES as usize, "job {job}");
        assert_eq!(seeds[1], seeds[0] + 1, "job {job} went on with the seed that it began with");
    }
    let left = fs::read_dir(folder.path().join(".pixgen/queue")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().ends_with(".job.ron")).count(), 0);
}

/// Kills as soon as a temporary file of the program is seen: until in every folder it was hit in the middle of writing.
fn killed_in_the_middle_of_every_kind_of_write() {
    // On a disk: in a folder in memory, as `/tmp` often is one, a write is mostly over before it can be seen.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("assets")).unwrap();
    fs::write(folder.join("assets/knight.sprite.ron"), recipe_text(0)).unwrap();
    let mut seen = BTreeSet::new();
    let mut hits = [0; WRITTEN.len()];
    let mut kills = 0;
    let began = Instant::now();
    while hits.iter().any(|hits| *hits < HITS) && (began.elapsed() < PATIENCE || kills < LEAST_KILLS) {
        // Where it was hit least so far.
        let aim = (0..WRITTEN.len()).min_by_key(|index| hits[*index]).unwrap();
        let mut child = start("write", folder);
        let mark = format!(".pixgen-{}-", child.id());
        let is_writing = |place: &str| names_in(&folder.join(place)).iter().any(|name| name.starts_with(&mark));
        // It writes to all of them within a second or so; a moment that was missed comes again.
        let since = Instant::now();
        while !is_writing(WRITTEN[aim]) && since.elapsed() < Duration::from_secs(10) {
            std::hint::spin_loop();
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it never ends by itself: {ended:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        for (place, hits) in WRITTEN.iter().zip(&mut hits) {
            *hits += usize::from(is_writing(place));
        }
        check(folder, &mut seen);
        check_what_belongs_to_it(folder, &seen);
    }
    println!("{kills} kills, of which so many left half-written files in {WRITTEN:?}: {hits:?}");
    assert!(hits.iter().sum::<usize>() > 0, "none of {kills} kills fell into writing");

    // What is left goes as soon as nobody can be writing it any more.
    let left = |place: &&str| {
        let temporary = names_in(&folder.join(place)).into_iter().filter(|name| name.starts_with(".pixgen-"));
        temporary.map(|name| folder.join(place).join(name)).collect::<Vec<_>>()
    };
    let of_history = WRITTEN.iter().filter(|place| place.starts_with(".pixgen"));
    for file in of_history.clone().flat_map(left) {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
    drop(engine(folder, true));
    assert_eq!(of_history.flat_map(left).collect::<Vec<_>>(), Vec::<PathBuf>::new());
    check(folder, &mut seen);
    check_what_belongs_to_it(folder, &seen);
}

/// Looks at what is kept beside the history and beside recipes, as the next start finds it.
fn check_what_belongs_to_it(folder: &Path, history: &BTreeSet<String>) {
    let store = Store::new(&folder.join(".pixgen"), &folder.join("assets"));
    let whole = |place: &str| {
        let names = names_in(&folder.join(place)).into_iter();
        names.filter(|name| !(name.starts_with(".pixgen-") && name.ends_with(".tmp"))).collect::<BTreeSet<_>>()
    };
    for name in whole(".pixgen/inputs") {
        let bytes = fs::read(folder.join(".pixgen/inputs").join(&name)).unwrap();
        assert_eq!(name, format!("{}.png", hash_of(&bytes)), "a picture that a job began with is not whole");
    }
    for name in whole(".pixgen/thumbnails") {
        let thumbnail = image::open(folder.join(".pixgen/thumbnails").join(&name)).unwrap();
        assert!(thumbnail.width() == 128 && history.contains(name.trim_end_matches(".png")), "{name}");
    }
    for key in whole(".pixgen/bakes") {
        assert!(store.remembered_bake(&key).is_some(), "{key} leads nowhere");
    }
    let mut beside = whole("assets");
    assert!(beside.remove("knight.sprite.ron"));
    let text = fs::read_to_string(folder.join("assets/knight.sprite.ron")).unwrap();
    let recipe = Request::from_recipe(text.as_bytes()).unwrap();
    assert!(recipe.prompt == "a knight" && text == recipe_text(recipe.seed.unwrap()), "half a recipe");
    if beside.remove("knight.png") {
        let png = fs::read(folder.join("assets/knight.png")).unwrap();
        assert!(history.contains(&hash_of(&png)), "what stands beside the recipe is no sprite of the history");
    }
    assert!(beside.is_empty(), "{beside:?}");
}

fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Looks at the history as the next start finds it; returns how many files were left half-written.
fn check(folder: &Path, seen: &mut BTreeSet<String>) -> usize {
    let store = Store::new(&folder.join(".pixgen"), &folder.join("gen"));
    let entries = store.history(&HistoryQuery::default()).unwrap();
    let mut found = BTreeSet::new();
    for entry in entries {
        let png = fs::read(&entry.file).unwrap();
        assert_eq!(hash_of(&png), entry.hash);
        assert!(Provenance::request_of(&png).unwrap().is_some());
        image::load_from_memory(&png).unwrap();
        found.insert(entry.hash);
    }
    assert!(found.is_superset(seen), "a sprite is lost");
    // Every file of that name is a sprite: none had to be left out.
    let files = names_in(&folder.join(".pixgen/history"));
    let (sprites, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|name| name.ends_with(".png"));
    assert_eq!(sprites.len(), found.len());
    assert!(others.iter().all(|name| name.starts_with(".pixgen-") && name.ends_with(".tmp")), "{others:?}");
    let shown = folder.join("gen/shown.png");
    if shown.exists() {
        image::open(&shown).unwrap();
    }
    *seen = found;
    others.len()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A limit on the size of files is what a full disk looks like to a program: writes fail in the middle.
fn a_full_disk_is_an_error_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let run = |limit: &str| {
        // Without the trap the system ends the program instead of failing the write.
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\"");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(&this)
            .env(ROLE, "full")
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let began = Instant::now();
    // Blocks of 512 or 1024 bytes: room for the job's file, not for the sprite.
    let said = run("2");
    assert!(said.starts_with("FAILED") && said.contains("history") && said.contains("writing"), "{said}");
    assert!(said.contains("free some space, raise the limit"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(names_in(&folder.path().join(".pixgen/history")), Vec::<String>::new(), "nothing half-written is left");
    let said = run("unlimited");
    assert!(said.starts_with("DONE"), "{said}");
}
