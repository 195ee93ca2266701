//! The documents tell the truth about the tree, and the tree keeps its own rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a source file may have. Above 400 a file is asked to be split, above this it has to be.
const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["crates", "examples", "tests"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the search finds the sources");
    found
}

/// Every document of the repository: what is built, and what others have put beside it, is none of it.
fn documents() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_theirs = name.starts_with("target") || folder == root() && name == "shared";
            let is_hidden = name.starts_with('.') && name != ".ci";
            if path.is_dir() && !path.is_symlink() && !is_theirs && !is_hidden {
                folders.push(path);
            } else if path.is_file() && name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found
}

/// Paths of the repository that a document names: in code, and behind links.
fn paths_in(text: &str) -> Vec<String> {
    let starts = ["crates/", "examples/", "tests/", "models/", "docs/", "assets/"];
    let code = text.split('`').skip(1).step_by(2).filter(|code| starts.iter().any(|start| code.starts_with(start)));
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links = links.map(|link| link.split('#').next().unwrap_or_default());
    let links = links.filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"));
    // What the reader is to fill in is no path of ours.
    let is_path = |path: &&str| !path.contains(|c: char| c.is_whitespace() || "*<>{}…".contains(c));
    code.chain(links).filter(is_path).map(str::to_owned).collect()
}

/// What a game's own files would be called, in examples of how to use it.
const OF_A_GAME: [&str; 1] = ["assets/sprites/knight.sprite.ron"];

#[test]
fn every_path_in_the_documents_exists() {
    let (documents, mut checked) = (documents(), 0);
    assert!(documents.len() > 8, "the search finds the documents: {documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let here = document.parent().unwrap();
        for path in paths_in(&text).into_iter().filter(|path| !OF_A_GAME.contains(&path.as_str())) {
            // A crate's document may name its own files from the crate's folder.
            let mut folders = here.ancestors().take_while(|folder| folder.starts_with(root()));
            let is_there = folders.any(|folder| folder.join(&path).exists());
            assert!(is_there, "{} names {path}, which does not exist", document.display());
            checked += 1;
        }
    }
    assert!(checked > 60, "the search finds the paths: {checked}");
}

#[test]
fn every_crate_has_its_row_in_the_architecture() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(architecture.contains(&format!("| `crates/{name}` |")), "{name} has no row in ARCHITECTURE.md");
    }
}

#[test]
fn every_source_says_what_it_is_for_and_is_short() {
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(text.starts_with("//! "), "{name} does not begin with a sentence on what it is for");
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines, at most {MAX_LINES}: split it");
        // Put together, so that this file does not find itself.
        for stub in [["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"]].map(|parts| parts.concat()) {
            assert!(!text.contains(&stub), "{name} holds {stub}");
        }
    }
}

#[test]
fn a_crate_depends_on_lower_levels_only() {
    let levels = [
        ("pixgen_api", 0),
        ("pixgen_art", 1),
        ("pixgen_sdxl", 1),
        ("pixgen_engine", 2),
        ("bevy_pixels_gen", 3),
        ("pixgen_cli", 3),
    ];
    for (name, level) in levels {
        let manifest = fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for (other, other_level) in levels {
            let depends = dependencies
                .lines()
                .any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} ")));
            assert!(!depends || other_level < level, "{name} (level {level}) depends on {other} (level {other_level})");
        }
    }
}

/// Bytes of each file below `folder`.
fn file_sizes(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(file_sizes(&path));
        } else {
            let size = fs::metadata(&path).unwrap().len();
            found.push((path, size));
        }
    }
    found
}

#[test]
fn what_everybody_clones_stays_small() {
    let weights = file_sizes(&root().join("models/sprite-tiny"));
    let weights: Vec<_> =
        weights.into_iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "safetensors")).collect();
    assert!(weights.len() >= 4, "UNet, autoencoder and two text encoders");
    for (path, size) in &weights {
        assert!(*size <= 16 << 20, "{} has {size} bytes, expected at most 16 MiB", path.display());
    }
    let total: u64 = weights.iter().map(|(_, size)| size).sum();
    assert!(total <= 32 << 20, "the embedded model's weights have {total} bytes, expected at most 32 MiB");

    let fixtures = file_sizes(&root().join("crates/pixgen_sdxl/tests"));
    let total: u64 = fixtures
        .iter()
        .filter(|(path, _)| path.components().any(|c| c.as_os_str() == "fixtures"))
        .map(|(_, size)| size)
        .sum();
    assert!((1..4_000_000).contains(&total), "the fixtures of pixgen_sdxl have {total} bytes, expected under 4 MB");
}
