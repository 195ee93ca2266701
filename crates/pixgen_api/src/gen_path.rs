//! The name of a generated sprite inside the game's `gen://` folder.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a sprite outside the generated-assets folder begins.
const ASSETS: &str = "assets://";

/// A relative path to a PNG below the generated-assets folder, for example `hero/knight.png`; or, as
/// `assets://hero/knight.png`, below the folder of the game's other assets, where recipes may lie.
///
/// It cannot leave that folder: it is the only way in which a user, a recipe or a remote caller names
/// a file to write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenPath(String);

impl GenPath {
    /// Checks and normalises a path: `gen://hero/knight`, `hero\knight.png` and `hero/knight.png` are the same,
    /// `assets://hero/knight.png` is another one.
    ///
    /// # Errors
    /// When the path is empty, absolute, leaves the folder, or is no PNG.
    pub fn parse(text: &str) -> Result<Self, GenPathError> {
        let error = |reason| GenPathError { path: text.to_owned(), reason };
        let (source, path) = match text.trim().strip_prefix(ASSETS) {
            Some(path) => (ASSETS, path),
            None => ("", text.trim().strip_prefix("gen://").unwrap_or(text.trim())),
        };
        let stripped = path.replace('\\', "/");
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
        Ok(Self(format!("{source}{}", parts.join("/"))))
    }

    /// Whether it lies among the game's other assets instead of the generated ones.
    #[must_use]
    pub fn is_in_assets(&self) -> bool {
        self.0.starts_with(ASSETS)
    }

    /// The path below its folder, with forward slashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.strip_prefix(ASSETS).unwrap_or(&self.0)
    }

    /// The path as Bevy's asset server knows it: `gen://hero/knight.png`, or `hero/knight.png` among the other assets.
    #[must_use]
    pub fn asset_path(&self) -> String {
        if self.is_in_assets() { self.as_str().to_owned() } else { format!("gen://{}", self.0) }
    }

    /// The file below its folder: that of the generated assets, or that of the others.
    #[must_use]
    pub fn file_in(&self, folder: &Path) -> PathBuf {
        folder.join(self.as_str())
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
    fn a_sprite_among_the_other_assets_is_another_one() {
        let path = GenPath::parse("assets://hero\\knight").unwrap();
        assert!(path.is_in_assets() && !GenPath::parse("hero/knight").unwrap().is_in_assets());
        assert_eq!((path.as_str(), path.asset_path().as_str()), ("hero/knight.png", "hero/knight.png"));
        assert_eq!(path.file_in(Path::new("assets")), Path::new("assets/hero/knight.png"));
        assert_eq!(GenPath::parse(&path.to_string()).unwrap(), path);
        for text in ["assets://../x", "assets:///etc/x", "assets://", "assets://gen://x.png"] {
            assert!(GenPath::parse(text).is_err(), "{text}");
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
