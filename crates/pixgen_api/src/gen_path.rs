//! The name of a generated sprite inside the game's `gen://` folder.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A relative path to a PNG below the generated-assets folder, for example `hero/knight.png`.
///
/// It cannot leave that folder: it is the only way in which a user, a recipe or a remote caller names
/// a file to write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenPath(String);

impl GenPath {
    /// Checks and normalises a path: `gen://hero/knight`, `hero\knight.png` and `hero/knight.png` are the same.
    ///
    /// # Errors
    /// When the path is empty, absolute, leaves the folder, or is no PNG.
    pub fn parse(text: &str) -> Result<Self, GenPathError> {
        let error = |reason| GenPathError { path: text.to_owned(), reason };
        let stripped = text.trim().strip_prefix("gen://").unwrap_or(text.trim()).replace('\\', "/");
        if stripped.is_empty() {
            return Err(error("it is empty"));
        }
        if stripped.contains([':', '#', '?', '*', '"', '<', '>', '|']) || stripped.chars().any(char::is_control) {
            return Err(error("it holds a character that file systems or asset paths reserve"));
        }
        let mut parts = Vec::new();
        for component in Path::new(&stripped).components() {
            match component {
                Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
                Component::CurDir => {}
                Component::ParentDir => return Err(error("`..` leaves the folder of generated assets")),
                Component::RootDir | Component::Prefix(_) => return Err(error("it is absolute")),
            }
        }
        let Some(name) = parts.last_mut() else { return Err(error("it names no file")) };
        match Path::new(name.as_str()).extension().and_then(|e| e.to_str()) {
            None => name.push_str(".png"),
            Some(extension) if extension.eq_ignore_ascii_case("png") => {}
            Some(_) => return Err(error("only PNG files are generated")),
        }
        Ok(Self(parts.join("/")))
    }

    /// The path with forward slashes, without `gen://`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The asset path with its source, `gen://hero/knight.png`.
    #[must_use]
    pub fn asset_path(&self) -> String {
        format!("gen://{}", self.0)
    }

    /// The file below `gen_dir`.
    #[must_use]
    pub fn file_in(&self, gen_dir: &Path) -> PathBuf {
        gen_dir.join(&self.0)
    }
}

impl fmt::Display for GenPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GenPath {
    type Err = GenPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for GenPath {
    type Error = GenPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<GenPath> for String {
    fn from(path: GenPath) -> Self {
        path.0
    }
}

/// Why a text does not name a generated sprite.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{path}\" is no path of a generated sprite: {reason}; use a relative path such as \"hero/knight.png\"")]
pub struct GenPathError {
    path: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_file_are_equal() {
        for text in ["hero/knight.png", "gen://hero/knight.png", "hero\\knight", "./hero//knight.png"] {
            assert_eq!(GenPath::parse(text).unwrap().as_str(), "hero/knight.png", "{text}");
        }
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for text in ["../x", "a/../../x.png", "/etc/passwd", "C:\\x.png", "gen://../x", "", "a/..", "x.ron", "a#b.png"]
        {
            assert!(GenPath::parse(text).is_err(), "{text}");
        }
    }
}
