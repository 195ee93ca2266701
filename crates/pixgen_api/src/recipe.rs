//! The files that people write: recipes, a [`Request`] in RON whose finished sprite stands beside it as a PNG, and
//! descriptions of sheets, a [`SpriteSheet`].

use std::path::{Path, PathBuf};

use ron::extensions::Extensions;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{Request, RequestError, SheetError, SpriteSheet};

/// How the name of a recipe ends: `knight.sprite.ron`.
pub const RECIPE_EXTENSION: &str = "sprite.ron";
/// How the name of a description of a sheet ends: `walk.sheet.ron`.
pub const SHEET_EXTENSION: &str = "sheet.ron";
/// Longest file of these kinds, in bytes: two prompts of the longest kind fit many times, and 4000 frames fit.
pub const MAX_RECIPE_BYTES: usize = 1 << 20;
/// Letters by which a misspelt name may differ from the one that is suggested.
const MAX_TYPOS: usize = 3;

/// Why a recipe, or a description of a sheet, cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RecipeError {
    /// No person wrote this.
    #[error("the file has {bytes} bytes, at most {MAX_RECIPE_BYTES} are read: is it a recipe or a sheet?")]
    TooLarge {
        /// Length of the file.
        bytes: usize,
    },
    /// Not text.
    #[error("the file is no text in UTF-8: is it a recipe or a sheet?")]
    NoText,
    /// The text is no RON, or says what no recipe can say.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// It reads well, but asks for what cannot be drawn.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It reads well, but no image can be cut like that.
    #[error(transparent)]
    Sheet(#[from] SheetError),
}

impl Request {
    /// Reads a recipe file: RON with every field optional but `prompt`. `Some(…)` may be left out: `seed: 7`.
    ///
    /// # Errors
    /// What is wrong, where, and the nearest known name for one that is not known.
    pub fn from_recipe(bytes: &[u8]) -> Result<Self, RecipeError> {
        let request: Self = from_ron(bytes, r#"(prompt: "a blue potion")"#)?;
        request.validate()?;
        Ok(request)
    }
}

impl SpriteSheet {
    /// Reads a file `*.sheet.ron`.
    ///
    /// # Errors
    /// What is wrong, where, and the nearest known name for one that is not known.
    pub fn from_file(bytes: &[u8]) -> Result<Self, RecipeError> {
        let sheet: Self = from_ron(bytes, r#"(image: "walk.png", size_px: (64, 16), frames: […])"#)?;
        sheet.validate()?;
        Ok(sheet)
    }
}

/// Reads a file of one of our types. `example` shows how such a file begins.
fn from_ron<T: DeserializeOwned>(bytes: &[u8], example: &str) -> Result<T, RecipeError> {
    if bytes.len() > MAX_RECIPE_BYTES {
        return Err(RecipeError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| RecipeError::NoText)?;
    let ron = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    ron.from_str(text).map_err(|error| {
        let at = error.span.start;
        RecipeError::Syntax { line: at.line, column: at.col, reason: explain(&error.code, example) }
    })
}

/// The PNG that belongs to a recipe: `hero/knight.png` for `hero/knight.sprite.ron`. `None` for other files.
#[must_use]
pub fn baked_file(recipe: &Path) -> Option<PathBuf> {
    let name = recipe.file_name()?.to_str()?;
    let stem = name.strip_suffix(RECIPE_EXTENSION)?.strip_suffix('.').filter(|stem| !stem.is_empty())?;
    Some(recipe.with_file_name(format!("{stem}.png")))
}

/// The recipe that a PNG belongs to, if there is one: `hero/knight.sprite.ron` for `hero/knight.png`.
#[must_use]
pub fn recipe_file(baked: &Path) -> Option<PathBuf> {
    let is_png = baked.extension()?.eq_ignore_ascii_case("png");
    is_png.then(|| baked.with_extension(RECIPE_EXTENSION))
}

/// A RON error in words that say what to do.
fn explain(error: &ron::Error, example: &str) -> String {
    match error {
        ron::Error::NoSuchStructField { found, expected, .. } => unknown("field", found, expected),
        ron::Error::NoSuchEnumVariant { found, expected, .. } => unknown("choice", found, expected),
        ron::Error::IntegerOutOfBounds => "this number is too large, or negative where it must not be".to_owned(),
        ron::Error::ExpectedIdentifier => format!("{error}: names such as `monster` stand without quotes"),
        ron::Error::ExpectedStructLike | ron::Error::ExpectedNamedStructLike(_) => {
            format!("{error}: such a file looks like {example}")
        }
        other => other.to_string(),
    }
}

fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let hint = nearest(found, known).map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
    format!("there is no {what} `{found}`{hint} (known: {})", known.join(", "))
}

/// The known name that differs from `found` in the fewest letters, if it is near enough to have been meant.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let found = found.to_lowercase();
    let (distance, name) = known.iter().map(|name| (edit_distance(&found, name), *name)).min()?;
    (distance <= MAX_TYPOS.min(name.len() / 2)).then_some(name)
}

/// Letters to insert, remove, replace or swap with their neighbour to turn `a` into `b` (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    // Absurdly long names are not near anything, and must not cost their square.
    let letters = |text: &str| text.chars().take(64).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_recipe_reads_as_people_write_it() {
        let request = Request::from_recipe(b"(\n // red\n prompt: \"a slime\", kind: monster, seed: 7,\n)").unwrap();
        assert_eq!(request, Request { seed: Some(7), ..Request::new(Kind::Monster, "a slime") });
        let whole = ron::to_string(&request).unwrap();
        assert_eq!(Request::from_recipe(whole.as_bytes()).unwrap(), request);
    }

    #[test]
    fn every_mistake_is_named_with_its_place_and_a_way_out() {
        let long = format!("(prompt: \"{}\")", "a".repeat(100_000));
        let deep = format!("(prompt: {}", "[".repeat(100_000));
        for (text, expected) in [
            ("(\n  promt: \"x\")", "line 2, column"),
            ("(promt: \"x\")", "no field `promt`: did you mean `prompt`?"),
            ("(prompt: \"x\", sizepx: 4)", "did you mean `size_px`?"),
            ("(prompt: \"x\", pixel_art: (colours: 4))", "did you mean `colors`?"),
            ("(prompt: \"x\", frobnicate: 4)", "no field `frobnicate` (known: prompt, negative_prompt"),
            ("(prompt: \"x\", kind: Mosnter)", "no choice `Mosnter`: did you mean `monster`?"),
            ("(prompt: \"x\", kind: spaceship)", "no choice `spaceship` (known: character, monster"),
            ("(prompt: \"x\", kind: \"monster\")", "without quotes"),
            ("(prompt: \"x\", size_px: 1000000)", "size_px is 1000000, expected 8 to 512"),
            ("(prompt: \"x\", size_px: 99999999999)", "too large"),
            ("(prompt: \"x\", size_px: -1)", "negative"),
            ("(prompt: \"x\"", "line 1, column"),
            ("", "(prompt: \"a blue potion\")"),
            ("()", "the prompt is empty"),
            (&long, "the prompt has 100000 characters, at most 4000"),
            (&deep, "line 1, column"),
        ] {
            let error = Request::from_recipe(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in {error:?}");
            assert!(error.len() < 600, "{error}");
        }
        assert_eq!(Request::from_recipe(&[0xff; 9]), Err(RecipeError::NoText));
        assert!(matches!(Request::from_recipe(&vec![b' '; 2 << 20]), Err(RecipeError::TooLarge { .. })));
    }

    #[test]
    fn a_sheet_is_read_as_carefully() {
        let frame = "(name: \"0\", rect_px: (x: 0, y: 0, width: 16, height: 16), source_px: (16, 16), duration_ms: 100, \
                     pivot_px: (8, 16))";
        let good = format!("(image: \"walk.png\", size_px: (64, 16), frames: [{frame}])");
        assert_eq!(SpriteSheet::from_file(good.as_bytes()).unwrap().frames.len(), 1);
        for (text, expected) in [
            (good.replace("size_px", "size"), "no field `size`"),
            (good.replace("duration_ms", "duration_sm"), "did you mean `duration_ms`?"),
            (good.replace("walk.png", "../walk.png"), "no path below the sheet's folder"),
            (good.replace("x: 0", "x: 60"), "the sheet belongs to another image"),
            (String::new(), "such a file looks like (image:"),
        ] {
            let error = SpriteSheet::from_file(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        }
    }

    #[test]
    fn a_recipe_and_its_png_find_each_other() {
        for (recipe, baked) in [("hero/knight.sprite.ron", "hero/knight.png"), ("a.b.sprite.ron", "a.b.png")] {
            assert_eq!(baked_file(Path::new(recipe)), Some(PathBuf::from(baked)));
            assert_eq!(recipe_file(Path::new(baked)), Some(PathBuf::from(recipe)));
        }
        for other in ["knight.ron", ".sprite.ron", "sprite.ron", "knight.png", "knightsprite.ron"] {
            assert_eq!(baked_file(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn distances_count_letters() {
        for (a, b, distance) in [("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("same", "same", 0)] {
            assert_eq!((edit_distance(a, b), edit_distance(b, a)), (distance, distance), "{a} {b}");
        }
    }
}
