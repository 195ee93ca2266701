//! Bad input is answered with a sentence that names the fix, exit code 2, and nothing on stdout.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{command, names, run, stderr};

#[test]
fn mistakes_are_answered_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    file("a-file", "");
    file("broken.hex", "ff0000\nred\n");
    file("lines.txt", "a key\na sword | sise=16\n");
    file("big.txt", "a key\na sword | size=7\n");
    file("device.txt", "a key | device=cpu\n");
    file("empty.txt", "# nothing\n");
    file("broken.sprite.ron", "(promt: \"x\")");
    file("config.toml", "stlye = \"8bit\"\n");
    file("bad-style.toml", "style = \"gmaeboy\"\n");
    file("no-picture.png", "<html>");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let before = names(folder.path());
    let item = |more: &str| format!("generate item key {more}");
    for (line, expected) in [
        ("generate spaceship x".into(), "is no kind of sprite; use one of: character, monster"),
        ("generate item \t".into(), "the prompt is empty: write what"),
        (item("--size=7"), "size_px is 7, expected 8 to 512"),
        (item("--size=0"), "size_px is 0, expected 8 to 512"),
        (item("--size=24"), "cannot draw a sprite of 24 px: use 16 px or 32 px"),
        (item("--size=big"), "invalid value 'big' for '--size <PX>'"),
        (item("--steps=0"), "steps is 0, expected 1 to 150"),
        (item("--count=65"), "count is 65, expected 1 to 64"),
        (item("--colors=1"), "colors is 1, expected 2 to 256"),
        (item("--style=gmaeboy"), "there is no style \"gmaeboy\": did you mean \"gameboy\"?"),
        (item("--style=baroque"), "there are: 8bit, 16bit, 32bit, gameboy"),
        (item("--palette=pico-9"), "there is no palette \"pico-9\": did you mean \"pico-8\"?"),
        (item("--palette=broken.hex"), "broken.hex: line 2: found \"red\", expected"),
        (item("--palette=a-file"), "a-file: unknown kind of palette file"),
        (item("--palette=nowhere.gpl"), "nowhere.gpl: No such file"),
        (item("--outline=red"), "expected keep, remove, #rrggbb"),
        (item("--dither=bayer3"), "[possible values: none, bayer2"),
        (item("--model=nowhere"), "there is no model \"nowhere\"; there are: embedded"),
        (item("--model=embeded"), "did you mean \"embedded\"?"),
        (item("--model=no/where"), "there is no model at no/where: give a folder"),
        (item("--model="), "the model has no name: say embedded"),
        (item("--model=empty"), "there is no model in empty: expected model_index.json"),
        (item("--model=a-file"), "a-file"),
        (item("--lora=a-file"), "a-file"),
        (item("--from=no-picture.png"), "no-picture.png"),
        ("compare x --model=empty".into(), "there is no model in empty"),
        ("compare x --size=512 --seeds=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32"
            .into(), "a comparison is one picture; ask for fewer at once: the picture of all sprites would be"),
        (item("--device=tpu"), "expected auto, cpu, cuda:0"),
        (item("--output=a-file/x.png"), "a-file is a file, expected a folder"),
        (item("--output=a-file"), "a-file is a file, expected a folder"),
        (item("--recipe=broken.sprite.ron"), "no field `promt`: did you mean `prompt`?"),
        (item("--recipe=nowhere.sprite.ron"), "nowhere.sprite.ron: No such file"),
        (item("--config=config.toml"), "there is no setting \"stlye\": did you mean \"style\"?"),
        (item("--config=nowhere.toml"), "nowhere.toml: No such file"),
        (item("--config=bad-style.toml"), "there is no style \"gmaeboy\""),
        ("batch nowhere.txt".into(), "nowhere.txt: No such file"),
        ("batch lines.txt".into(), "lines.txt: line 2: there is no option \"sise\": did you mean \"size\"?"),
        ("batch big.txt".into(), "big.txt: line 2: size_px is 7"),
        ("batch empty.txt".into(), "holds no prompt"),
        ("batch no-picture.png --jobs=0".into(), "jobs is 0"),
        (item("--strength=0.5"), "strength needs a picture to start from: say --from"),
        ("batch device.txt".into(), "device.txt: line 1: the device is the whole command's: say --device"),
        ("batch a-list --joint-palette=1".into(), "joint-palette is 1, expected 2 to 256"),
        ("generate-tileset --prompt=x --tries=0".into(), "tries is 0, expected 1 or more"),
        ("generate-tileset --prompt=x --floor=100000".into(), "floor is 100000, expected 1 to 512 for tiles of 32 px"),
        ("generate-animation --prompt=x --gif-scale=0".into(), "gif-scale is 0, expected 1 to"),
        ("generate-animation --prompt=x --gif-scale=4000".into(), "gif-scale is 4000, expected 1 to"),
        ("compare x --seed=1 --seeds=2,3".into(), "cannot be used with"),
        ("bake nowhere".into(), "nowhere is no folder"),
        ("info no-picture.png".into(), "no-picture.png: "),
        ("models add x nowhere".into(), "nowhere does not exist"),
        ("models remove x".into(), "there is no model \"x\""),
        ("palettes show pico9x".into(), "there is no palette \"pico9x\""),
        ("compare x --models=embeded".into(), "did you mean \"embedded\"?"),
        ("genrate item x".into(), "unrecognized subcommand 'genrate'"),
    ] {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run(folder.path(), &arguments);
        let error = stderr(&output);
        assert!(error.contains(expected), "{line}: {error}");
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(output.stdout.is_empty() && error.starts_with("error: "), "{line}: {error}");
    }
    assert_eq!(names(folder.path()), before, "nothing was written");
}

/// Models that are not there, or not whole, in every way that a user meets.
#[test]
fn a_missing_model_is_said_with_the_way_to_one() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let run = |line: &str| {
        let arguments: Vec<_> = line.split(' ').collect();
        command(folder.path(), &arguments).env("DGX_PIXELS_MODELS_DIR", &models).output().unwrap()
    };
    let refused = |line: &str, exit: i32, expected: &[&str]| {
        let output = run(line);
        assert_eq!(output.status.code(), Some(exit), "{line}: {}", stderr(&output));
        for part in expected {
            assert!(stderr(&output).contains(part), "{line}: {} lacks {part}", stderr(&output));
        }
        let made = folder.path().join("output");
        assert!(output.stdout.is_empty() && (!made.exists() || names(&made).is_empty()), "{line}");
    };
    // No models folder: names are those that are compiled in, and the list is not an error.
    refused("generate item key --model=sdxl", 2, &["there is no model \"sdxl\"; there are: embedded", "give the path"]);
    assert!(run("models list").status.success());
    // Named once, and gone since.
    let gone = folder.path().join("gone.safetensors");
    std::fs::write(&gone, "x").unwrap();
    std::fs::create_dir(&models).unwrap();
    std::fs::write(models.join("models.toml"), format!("mine = {:?}\n", gone.to_string_lossy())).unwrap();
    std::fs::remove_file(&gone).unwrap();
    refused("generate item key --model=mine", 2, &["gone.safetensors went away", "models remove"]);
    // A folder without weights.
    let hollow = models.join("hollow");
    std::fs::create_dir(&hollow).unwrap();
    std::fs::write(hollow.join("model_index.json"), "{\"_class_name\": \"StableDiffusionXLPipeline\"}").unwrap();
    refused("generate item key --model=hollow --size=64", 1, &["the model has no file", "hollow", "diffusers layout"]);
    refused("models check hollow", 1, &["the model has no file"]);
    // Something else than a model.
    std::fs::write(models.join("page.safetensors"), "<html>").unwrap();
    refused("generate item key --model=page --size=64", 2, &["page.safetensors"]);
    refused("generate item key --model=models.toml", 2, &["models.toml"]);
    // A list that is damaged.
    std::fs::write(models.join("models.toml"), "mine = 3").unwrap();
    refused("generate item key --model=mine", 2, &["models.toml"]);
}

/// A full disk: the system lets no file grow.
#[cfg(unix)]
#[test]
fn no_space_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} generate item key --size=16 --steps=1",
        env!("CARGO_BIN_EXE_dgx-pixels")
    );
    let output = std::process::Command::new("bash").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert!(!folder.path().join("output").exists() || names(&folder.path().join("output")).is_empty());
}

/// Data that did not arrive is a failure: a script would take half a list for the whole.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), &["palettes", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("writing to stdout: No space left"), "{}", stderr(&output));
}

/// stdout that nobody reads is no reason to stop.
#[cfg(unix)]
#[test]
fn a_closed_pipe_costs_no_sprite() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{} generate item key --size=16 --steps=1 --count=3 | true", env!("CARGO_BIN_EXE_dgx-pixels"));
    let output = std::process::Command::new("bash").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert!(!stderr(&output).contains("panic"), "{}", stderr(&output));
    assert_eq!(names(&folder.path().join("output")).len(), 3);
}
