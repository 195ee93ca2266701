//! A name for exactly this model, for the provenance of what it draws.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use pixgen_api::ModelRef;
use sha2::{Digest, Sha256};

use crate::files::{hex, open_up_to};
use crate::{EngineError, ModelInfo, embedded};

/// Places in a large file that are read.
const WINDOWS: u64 = 64;
/// Bytes that are read at each; a file of up to `WINDOWS` times as many is read whole.
const WINDOW_BYTES: u64 = 64 << 10;
/// The parts of a model that decide what it draws.
const PARTS: [&str; 7] = ["scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae"];

/// The model's name and 64 bits of a SHA-256 over its files: name, length and content of every one, of weight files the
/// header and windows spread evenly over the rest. That tells checkpoints and merges apart in practice without reading
/// 7 GB before the first sprite.
pub(crate) fn of(model: &ModelRef, info: &ModelInfo) -> Result<String, EngineError> {
    let mut hasher = Sha256::new();
    match model {
        ModelRef::Embedded => {
            for (name, bytes) in embedded::FILES {
                add(&mut hasher, name, bytes.len() as u64, &mut io::Cursor::new(bytes)).map_err(reading(name))?;
            }
        }
        // A path that is a file is loaded as a single-file checkpoint.
        ModelRef::Folder(path) | ModelRef::File(path) if path.is_file() => add_file(&mut hasher, "", path)?,
        ModelRef::Folder(folder) | ModelRef::File(folder) => {
            for name in files(folder)? {
                add_file(&mut hasher, &name, &folder.join(&name))?;
            }
        }
    }
    Ok(format!("{} {}", info.name, &hex(&hasher.finalize())[..16]))
}

/// SHA-256 over the same parts of a single file, or of the weight files right inside a folder.
pub(crate) fn of_path(path: &Path) -> Result<String, EngineError> {
    let mut hasher = Sha256::new();
    if path.is_file() {
        add_file(&mut hasher, "", path)?;
    } else {
        let mut names = Vec::new();
        for entry in path.read_dir().map_err(reading(path))? {
            let entry = entry.map_err(reading(path))?;
            if entry.path().is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        for name in names {
            add_file(&mut hasher, &name, &path.join(&name))?;
        }
    }
    Ok(hex(&hasher.finalize()))
}

fn add_file(hasher: &mut Sha256, name: &str, path: &Path) -> Result<(), EngineError> {
    // Of a large one, windows are read.
    let (mut file, length) = open_up_to(path, u64::MAX)?;
    add(hasher, name, length, &mut file).map_err(reading(path))
}

fn reading(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> EngineError {
    move |source| EngineError::Io { action: "reading", path: path.as_ref().to_owned(), source }
}

/// Files of a diffusers folder relative to it, sorted; parts that are not there are no matter.
fn files(folder: &Path) -> Result<Vec<String>, EngineError> {
    let mut found = Vec::new();
    for part in PARTS {
        let Ok(entries) = folder.join(part).read_dir() else { continue };
        for entry in entries {
            let entry = entry.map_err(reading(folder.join(part)))?;
            if entry.path().is_file() {
                found.push(format!("{part}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    found.extend([crate::model_info::DESCRIPTION.to_owned()].into_iter().filter(|name| folder.join(name).is_file()));
    found.sort();
    Ok(found)
}

fn add(hasher: &mut Sha256, name: &str, length: u64, content: &mut (impl Read + Seek)) -> io::Result<()> {
    hasher.update(name.as_bytes());
    hasher.update(length.to_le_bytes());
    let mut window = Vec::new();
    if length <= WINDOWS * WINDOW_BYTES {
        content.by_ref().take(length).read_to_end(&mut window)?;
        hasher.update(&window);
        return Ok(());
    }
    for index in 0..WINDOWS {
        content.seek(SeekFrom::Start((length - WINDOW_BYTES) / (WINDOWS - 1) * index))?;
        window.clear();
        content.by_ref().take(WINDOW_BYTES).read_to_end(&mut window)?;
        hasher.update(&window);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> String {
        let mut hasher = Sha256::new();
        add(&mut hasher, "x", bytes.len() as u64, &mut io::Cursor::new(bytes)).unwrap();
        hex(&hasher.finalize())
    }

    #[test]
    fn a_change_in_the_middle_of_a_large_file_is_seen() {
        let plain = vec![7; 9 << 20];
        let mut merged = plain.clone();
        merged[4 << 20..5 << 20].fill(8);
        assert_ne!(digest(&plain), digest(&merged));
        assert_ne!(digest(&plain), digest(&plain[1..]));
        assert_eq!(digest(&plain), digest(&plain.clone()));
    }

    #[test]
    fn every_byte_of_a_small_file_counts() {
        let mut bytes = vec![7; 1000];
        let before = digest(&bytes);
        bytes[999] = 8;
        assert_ne!(digest(&bytes), before);
    }
}
