//! What programs and people read: help, events, completions, settings. Changes are seen in `tests/snapshots`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{assert_snapshot, command, paths, run, stderr, stdout};

const COMMANDS: [&str; 14] = [
    "generate",
    "generate-tileset",
    "generate-animation",
    "batch",
    "bake",
    "fix",
    "compare",
    "models",
    "palettes",
    "styles",
    "info",
    "config",
    "completions",
    "man",
];

#[test]
fn help_is_as_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot("help.txt", &stdout(&run(folder.path(), &["--help"])));
    for name in COMMANDS {
        let help = run(folder.path(), &[name, "--help"]);
        assert_snapshot(&format!("help-{name}.txt"), &stdout(&help));
    }
}

#[test]
fn events_are_as_reviewed_and_every_line_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["generate", "item", "a key", "--size=48", "--steps=2", "--seed=3", "--count=2", "--json"];
    let output = run(folder.path(), &line);
    assert_eq!(stderr(&output), "");
    for line in stdout(&output).lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].is_string());
    }
    // The last digits of a measure are the processor's; which events there are, with which fields, is not.
    let stable: String = stdout(&output)
        .lines()
        .map(|line| if line.contains("measured") { measured(line) } else { format!("{line}\n") })
        .collect();
    assert_snapshot("events-generate.jsonl", &stable);

    let error = run(folder.path(), &["generate", "item", "a key", "--style=gmaeboy", "--json"]);
    let home = folder.path().with_extension("home");
    assert_snapshot("events-error.jsonl", &stdout(&error).replace(&*home.to_string_lossy(), "HOME"));
    assert_eq!(error.status.code(), Some(2));
}

fn measured(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let fields: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    format!("measured: {}\n", fields.join(" "))
}

#[test]
fn completions_are_as_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(folder.path(), &["completions", shell]);
        assert!(stdout(&output).contains("generate-animation"), "{shell}");
        if shell == "fish" {
            assert_snapshot("completions.fish", &stdout(&output));
        }
    }
    // bash itself reads the script and completes with it.
    let script = stdout(&run(folder.path(), &["completions", "bash"]));
    std::fs::write(folder.path().join("script"), script).unwrap();
    let complete = "source ./script; words=($(complete -p dgx-pixels)); for i in ${!words[@]}; do [ ${words[i]} = -F ] && \
                    function=${words[i+1]}; done; COMP_WORDS=(dgx-pixels generate-t); COMP_CWORD=1; $function dgx-pixels \
                    generate-t dgx-pixels; echo ${COMPREPLY[@]}";
    let bash = std::process::Command::new("bash").args(["-c", complete]).current_dir(folder.path()).output().unwrap();
    assert_eq!(stdout(&bash), "generate-tileset\n", "{}", stderr(&bash));
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let page = stdout(&run(folder.path(), &["man"]));
    assert!(page.contains(".TH dgx-pixels 1") && page.contains("generate\\-tileset"), "{page}");
    let pages = paths(folder.path(), &["man", "pages"]);
    for name in COMMANDS {
        assert!(pages.contains(&format!("pages/dgx-pixels-{name}.1").into()), "{name}");
    }
    assert!(folder.path().join("pages/dgx-pixels-models-download.1").exists());
}

#[test]
fn config_says_where_each_value_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.toml"), "size = 16\nmodel = \"from-file\"\noutput = \"art\"\n").unwrap();
    let shown = command(folder.path(), &["config", "show", "--size=64", "--config=c.toml"])
        .env("DGX_PIXELS_MODEL", "from-environment")
        .output()
        .unwrap();
    let shown = stdout(&shown);
    for expected in [
        "size = 64  # flag --size\n",
        "model = from-environment  # environment variable DGX_PIXELS_MODEL\n",
        "output = art  # c.toml\n",
        "device = auto  # default\n",
        "style  # not set",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
    // The same places decide what is drawn.
    let drawn = command(folder.path(), &["generate", "item", "key", "--steps=1", "--config=c.toml"])
        .env("DGX_PIXELS_SIZE", "32")
        .env("DGX_PIXELS_MODEL", "embedded")
        .output()
        .unwrap();
    assert_eq!(stdout(&drawn), "art/key.png\n", "{}", stderr(&drawn));
    assert_eq!(common::picture(&folder.path().join("art/key.png")).dimensions(), (32, 32));

    let home = folder.path().join("home");
    let init = command(folder.path(), &["config", "init"]).env("XDG_CONFIG_HOME", &home).output().unwrap();
    let file = home.join("dgx-pixels/config.toml");
    assert_eq!(stdout(&init).trim_end(), file.to_string_lossy(), "{}", stderr(&init));
    let again = command(folder.path(), &["config", "init"]).env("XDG_CONFIG_HOME", &home).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is there already"));
}

#[test]
fn styles_of_ones_own_are_listed_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let styles = folder.path().join("styles");
    std::fs::create_dir(&styles).unwrap();
    let style = r##"(about: "two colours", options: {"size": 16, "palette": "#102030,#e0d0c0", "steps": 1})"##;
    std::fs::write(styles.join("stamp.ron"), style).unwrap();
    let run =
        |arguments: &[&str]| command(folder.path(), arguments).env("DGX_PIXELS_STYLES_DIR", &styles).output().unwrap();
    let list = stdout(&run(&["styles"]));
    assert!(list.contains("stamp      two colours (yours) [palette=#102030,#e0d0c0 size=16 steps=1]"), "{list}");
    assert!(list.contains("gameboy"));
    let drawn = run(&["generate", "item", "key", "--style=stamp"]);
    assert!(drawn.status.success(), "{}", stderr(&drawn));
    let sprite = common::picture(&folder.path().join("output/key.png"));
    assert_eq!(sprite.dimensions(), (16, 16));
    assert!(common::colors(&sprite).iter().all(|color| [[0x10, 0x20, 0x30], [0xe0, 0xd0, 0xc0]].contains(color)));
}

#[test]
fn palettes_are_shown_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    assert!(stdout(&run(folder.path(), &["palettes"])).contains("pico-8        16 colours  Lexaloffle PICO-8"));
    let greens = stdout(&run(folder.path(), &["palettes", "show", "gameboy"]));
    assert_eq!(greens, "#0f380f\n#306230\n#8bac0f\n#9bbc0f\n");
    for name in ["a.gpl", "a.pal", "a.ase", "a.hex", "a.png"] {
        paths(folder.path(), &["palettes", "show", "gameboy", "--output", name]);
        assert_eq!(stdout(&run(folder.path(), &["palettes", "show", name])), greens, "{name}");
    }
}

#[test]
fn models_are_listed_added_checked_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let run =
        |arguments: &[&str]| command(folder.path(), arguments).env("DGX_PIXELS_MODELS_DIR", &models).output().unwrap();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprite-tiny");
    let added = run(&["models", "add", "tiny", tiny]);
    assert!(added.status.success() && stderr(&added).contains("--model tiny"), "{}", stderr(&added));
    let list = stdout(&run(&["models", "list"]));
    assert!(list.contains("embedded") && list.contains("tiny") && list.contains("draws 16, 32 px"), "{list}");
    let checked = run(&["models", "check", "tiny"]);
    assert!(stdout(&checked).starts_with("tiny: works; draws 16, 32 px"), "{}", stderr(&checked));
    let drawn = run(&["generate", "item", "key", "--size=16", "--steps=1", "--seed=1", "--model=tiny"]);
    assert!(drawn.status.success(), "{}", stderr(&drawn));
    assert!(run(&["models", "remove", "tiny"]).status.success());
    assert!(std::path::Path::new(tiny).join("unet").is_dir(), "its files stay");
    assert!(!stdout(&run(&["models", "list"])).contains("\ntiny"));
}

#[test]
fn a_comparison_is_a_picture_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprite-tiny");
    let models = format!("--models=embedded,{tiny}");
    let line = ["compare", "a red potion", "a key", "--seeds=1,2", "--size=16", "--steps=2", &models];
    assert_eq!(paths(folder.path(), &line), ["output/compare.png", "output/compare.csv"].map(std::path::PathBuf::from));
    let table = std::fs::read_to_string(folder.path().join("output/compare.csv")).unwrap();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 9, "{table}");
    assert!(lines[0].starts_with("column,kind,prompt,seed,size_px,seconds,seconds_per_step,colors"), "{table}");
    // Two ways to the same weights draw the same.
    let measures = |line: &str| line.split(',').skip(7).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(measures(lines[1]), measures(lines[5]));
    let grid = common::picture(&folder.path().join("output/compare.png"));
    assert!(grid.width() > 2 * 96 && grid.height() > 4 * 96);
}
