//! A game without the generator compiles neither candle nor egui.

use std::process::Command;

/// Names of all packages that the plugin pulls in, development dependencies left out.
fn packages(flags: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["tree", "--package", "bevy_pixels_gen", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(flags)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn only_the_generator_pulls_in_candle_and_only_the_panel_egui() {
    let generator = ["candle-core", "pixgen_sdxl", "pixgen_engine", "egui", "bevy_egui"];
    let released = packages(&["--no-default-features"]);
    let full = packages(&[]);
    for name in generator {
        assert!(full.iter().any(|package| package == name), "the control: {name} is in the full build");
        assert!(!released.iter().any(|package| package == name), "{name} is in the released game");
    }
    let without_panel = packages(&["--no-default-features", "--features", "generate"]);
    assert!(without_panel.iter().any(|package| package == "candle-core"));
    assert!(!without_panel.iter().any(|package| package == "egui"));
}
