//! The files that a recipe names: `dgx-pixels` and the plugin look for them in the same places, and refuse the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{colors, command, paths, picture, run, stderr, stdout, write};
use image::RgbaImage;
use pixgen_api::{PaletteSource, Request};
use pixgen_engine::{Bake, HashCache, Provenance, RecipeFolders, bake_of, bake_with, recipe_hash};

/// A recipe that names a file as its palette.
fn with_palette(path: &str) -> String {
    format!(r#"(prompt: "a golden key", size_px: 16, steps: 2, seed: 3, pixel_art: (palette: file({path:?})))"#)
}

#[test]
fn every_way_out_of_the_assets_is_refused_by_bake_and_generate() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    // The files are there, and good: only where they lie is wrong.
    for name in ["secret.hex", "assets/secret.hex"] {
        write(game, name, "ff0000\n00ff00\n");
    }
    std::fs::rename(game.join("assets/secret.hex"), game.join("outside.hex")).unwrap();
    let absolute = game.join("secret.hex").display().to_string();
    let field = |text: &str| format!(r#"(prompt: "a key", size_px: 16, steps: 2, {text})"#);
    let mut table = vec![
        ("absolute", with_palette(&absolute), "palette", "is absolute"),
        ("root", with_palette("\\secret.hex"), "palette", "is absolute"),
        ("drive", with_palette("C:\\secret.hex"), "palette", "names a drive"),
        ("unc", with_palette("\\\\server\\share\\secret.hex"), "palette", "is a path on another computer"),
        ("up", with_palette("../../secret.hex"), "palette", "leads out of the game's assets with `..`"),
        ("up_back", with_palette("a\\..\\..\\..\\secret.hex"), "palette", "leads out of the game's assets with `..`"),
        ("url", with_palette("file:///secret.hex"), "palette", "holds a character"),
        ("model", field(r#"model: file("../../m.safetensors")"#), "model", "leads out"),
        ("model_folder", field(r#"model: folder("/m")"#), "model", "is absolute"),
        ("vae", field(r#"vae: "/v.safetensors""#), "vae", "is absolute"),
        ("lora", field(r#"loras: [(path: "C:/l.safetensors", weight: 1.0)]"#), "LoRA", "names a drive"),
        ("init", field(r#"init_image: "../../secret.png""#), "init_image", "leads out"),
        ("mask", field(r#"init_image: "in.png", mask: "//server/m.png""#), "mask", "is a path on another computer"),
    ];
    write(game, "assets/hero/in.png", "");
    if cfg!(unix) {
        let line = format!("ln -s {absolute:?} {:?}", game.join("assets/hero/link.hex"));
        assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success());
        table.push(("link", with_palette("link.hex"), "palette", "is a link that leads out of the game's assets"));
    }
    for (name, recipe, ..) in &table {
        write(game, &format!("assets/hero/{name}.sprite.ron"), recipe);
    }
    let [bake, check] = [&["bake"][..], &["bake", "--check"]].map(|line| run(game, line));
    assert_eq!((bake.status.code(), check.status.code()), (Some(4), Some(3)), "{}", stderr(&bake));
    assert!(bake.stdout.is_empty(), "nothing is drawn: {}", stdout(&bake));
    assert_eq!(stdout(&check).lines().count(), table.len());
    for (name, _, what, reason) in &table {
        let recipe = format!("assets/hero/{name}.sprite.ron");
        let generate = run(game, &["generate", "--recipe", &recipe]);
        assert_eq!((generate.status.code(), stdout(&generate)), (Some(2), String::new()), "{name}");
        for output in [&bake, &check, &generate] {
            let text = stderr(output);
            let line = text.lines().find(|line| line.contains(&recipe)).unwrap_or_else(|| panic!("{name}: {text}"));
            for expected in [*what, reason, "put the file beside the recipe"] {
                assert!(line.contains(expected), "{name}: {line}");
            }
        }
    }
    assert!(!game.join("output").exists());
}

/// Where the plugin looks for the files of a recipe: it knows the folder of all assets and the one behind `gen://`.
fn in_game_at(game: &Path, recipe: &str) -> RecipeFolders {
    let roots = [&*game.join("assets"), &*game.join("assets/gen")];
    RecipeFolders::of_file(&game.join(recipe), &roots, &[game.join("models")])
}

#[test]
fn a_recipe_below_gen_may_name_all_assets_and_is_fresh_for_the_game() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    let recipe_file = "assets/gen/hero/key.sprite.ron";
    write(game, recipe_file, &with_palette("shared/two.hex"));
    write(game, "assets/shared/two.hex", "ff0000\n880000\n");
    for (place, png) in [("assets", "assets/gen/hero/key.png"), ("assets/gen", "assets/gen/hero/key.png")] {
        assert_eq!(paths(game, &["bake", place]), [Path::new(png)]);
        let recipe = Request::from_recipe(with_palette("shared/two.hex").as_bytes()).unwrap();
        let placed = in_game_at(game, recipe_file).resolve(&recipe).unwrap();
        let inputs = HashCache::default().inputs_of(&placed, &|| false).unwrap();
        assert_eq!(inputs.len(), 1, "the palette is found");
        let png = std::fs::read(game.join(png)).unwrap();
        assert_eq!(bake_with(&png, &recipe, &placed, &inputs).unwrap(), Bake::Fresh);
        std::fs::remove_file(game.join("assets/gen/hero/key.png")).unwrap();
    }
}

#[test]
fn a_png_of_a_stranger_opens_nothing_outside_unless_a_flag_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let game = folder.path();
    let secret = outside.path().join("secret.png");
    RgbaImage::from_pixel(16, 16, image::Rgba([40, 60, 200, 255])).save(&secret).unwrap();
    let strange = |init_image: &str| {
        let provenance = Provenance {
            request: Request { init_image: Some(init_image.into()), size_px: 16, steps: Some(2), ..Request::default() },
            model: "m".to_owned(),
            native_size_px: 16,
            inputs: Vec::new(),
            recipe: None,
        };
        let request = Request { prompt: "a key".to_owned(), ..provenance.request.clone() };
        let png = Provenance { request, ..provenance }.encode(&RgbaImage::new(16, 16)).unwrap();
        std::fs::write(game.join("strange.png"), png).unwrap();
    };
    let line = ["generate", "--recipe=strange.png", "--output=new.png"];
    for path in [secret.to_str().unwrap(), "../secret.png", "\\\\server\\share\\secret.png"] {
        strange(path);
        let refused = run(game, &line);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(2), String::new()), "{path}");
        for expected in ["strange.png", "init_image", path, "choose it by hand"] {
            assert!(stderr(&refused).contains(expected), "{expected}: {}", stderr(&refused));
        }
        let by_hand = format!("--from={}", secret.display());
        assert_eq!(paths(game, &[&line[..], &[&by_hand]].concat()), [Path::new("new.png")]);
        std::fs::remove_file(game.join("new.png")).unwrap();
    }
    // What lies in the current folder is the user's own.
    std::fs::copy(&secret, game.join("mine.png")).unwrap();
    strange("mine.png");
    assert_eq!(paths(game, &line), [Path::new("new.png")]);
}

#[test]
fn a_palette_beside_its_recipe_is_used_and_makes_the_sprite_stale_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    let (recipe_file, png_file) = ("assets/hero/key.sprite.ron", game.join("assets/hero/key.png"));
    write(game, recipe_file, &with_palette("two.hex"));
    // One of the same name in the current folder is another one.
    write(game, "two.hex", "0000ff\n000088\n");
    let bake = run(game, &["bake"]);
    assert_eq!(bake.status.code(), Some(4));
    assert!(stderr(&bake).contains("hero/two.hex does not exist"), "{}", stderr(&bake));
    write(game, "assets/hero/two.hex", "ff0000\n880000\n");
    assert_eq!(paths(game, &["bake"]), [Path::new("assets/hero/key.png")]);
    let [red, dark_red, green] = [[255, 0, 0], [0x88, 0, 0], [0, 255, 0]];
    assert!(colors(&picture(&png_file)).iter().all(|color| [red, dark_red].contains(color)));

    // What the PNG says is what the recipe says, wherever the game lies.
    let png = std::fs::read(&png_file).unwrap();
    let recipe = Request::from_recipe(with_palette("two.hex").as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&png).into_owned();
    assert!(text.contains(&recipe_hash(&recipe).unwrap()) && bake_of(&png, &recipe).unwrap() == Bake::Fresh);
    let drawn = Provenance::request_of(&png).unwrap().unwrap();
    assert_eq!(drawn.pixel_art.palette, PaletteSource::File("two.hex".into()));
    assert!(!text.contains(&*game.to_string_lossy()), "nor where it was drawn");

    // The plugin's rule.
    let folders = in_game_at(game, recipe_file);
    let placed = folders.resolve(&recipe).unwrap();
    let in_game = |png: &[u8]| {
        let inputs = HashCache::default().inputs_of(&placed, &|| false).unwrap();
        bake_with(png, &recipe, &placed, &inputs).unwrap()
    };
    assert_eq!(in_game(&png), Bake::Fresh);
    for folder in ["assets", "assets/hero", "."] {
        assert!(paths(game, &["bake", folder, "--check"]).is_empty(), "{folder}");
    }

    write(game, "assets/hero/two.hex", "00ff00\n008800\n");
    assert_eq!(in_game(&png), Bake::Stale);
    let check = run(game, &["bake", "--check"]);
    assert_eq!((check.status.code(), stdout(&check).as_str()), (Some(3), "assets/hero/key.sprite.ron\n"));
    assert!(stderr(&check).contains("it, or a file that it names, was edited"), "{}", stderr(&check));
    assert_eq!(paths(game, &["bake"]), [Path::new("assets/hero/key.png")]);
    assert!(colors(&picture(&png_file)).iter().all(|color| [green, [0, 0x88, 0]].contains(color)));
    assert_eq!(in_game(&std::fs::read(&png_file).unwrap()), Bake::Fresh);
    assert!(paths(game, &["bake", "--check"]).is_empty());

    // A sprite that generate puts there names its files at their places, and is as fresh.
    std::fs::remove_file(&png_file).unwrap();
    let line = ["generate", "--recipe", recipe_file, "--output", "assets/hero/key.png"];
    assert_eq!(paths(game, &line), [Path::new("assets/hero/key.png")]);
    assert_eq!(in_game(&std::fs::read(&png_file).unwrap()), Bake::Fresh);
    assert!(paths(game, &["bake", "--check"]).is_empty());
    // A flag is the terminal's.
    assert_eq!(paths(game, &["generate", "--recipe", recipe_file, "--palette=two.hex"]), [Path::new("output/key.png")]);
    let blues = [[0, 0, 255], [0, 0, 0x88]];
    assert!(colors(&picture(&game.join("output/key.png"))).iter().all(|color| blues.contains(color)));
}

#[test]
fn assets_of_another_name_are_named_and_info_writes_recipes_that_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    write(game, "art/hero/key.sprite.ron", &with_palette("../shared/two.hex"));
    write(game, "art/shared/two.hex", "ff0000\n880000\n");
    let bake = run(game, &["bake", "art/hero"]);
    assert!(bake.status.code() == Some(4) && stderr(&bake).contains("leads out"), "{}", stderr(&bake));
    assert_eq!(paths(game, &["bake", "art/hero", "--assets=art"]), [Path::new("art/hero/key.png")]);
    assert!(paths(game, &["bake", "art", "--check"]).is_empty(), "the same from above");
    let wrong = run(game, &["bake", "art/hero", "--assets=art/shared"]);
    assert!(wrong.status.code() == Some(2) && stderr(&wrong).contains("does not lie in the assets"));

    // A picture that was given as a flag is named by its place; a recipe names it from the PNG's folder.
    RgbaImage::from_pixel(16, 16, image::Rgba([40, 60, 200, 255])).save(game.join("art/shared/in.png")).unwrap();
    let line = ["generate", "item", "a key", "--size=16", "--steps=2", "--from=art/shared/in.png"];
    assert_eq!(paths(game, &[&line[..], &["--output=art/shared/a.png"]].concat()).len(), 1);
    let info = run(game, &["info", "art/shared/a.png"]);
    assert!(stdout(&info).contains(r#"init_image: Some("in.png")"#), "{}", stdout(&info));
    write(game, "art/shared/b.sprite.ron", &stdout(&info));
    assert_eq!(paths(game, &["generate", "--recipe=art/shared/b.sprite.ron", "--output=b.png"]).len(), 1);
    assert_eq!(picture(&game.join("b.png")), picture(&game.join("art/shared/a.png")));
    // One that lies elsewhere is said; the user's folders of models are looked into by all.
    std::fs::rename(game.join("art/shared/a.png"), game.join("art/hero/a.png")).unwrap();
    let info = run(game, &["info", "art/hero/a.png"]);
    assert!(info.status.success() && stderr(&info).contains("lies in none of them"), "{}", stderr(&info));
    let shared =
        command(game, &["info", "art/hero/a.png"]).env("DGX_PIXELS_MODELS_DIR", "art/shared").output().unwrap();
    assert!(stdout(&shared).contains(r#"init_image: Some("in.png")"#), "{}", stdout(&shared));
}
