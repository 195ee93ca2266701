//! Styles: prompt words, palette, size and outline under one name. A style is a RON file; the built-in ones are in
//! `src/styles`, and users add theirs to a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pixgen_api::{ModelRef, Request};
use serde::Deserialize;

use crate::exit::{OrUsage, usage};
use crate::nearest::unknown;
use crate::options::DrawOptions;

/// The styles that come with the program, by name.
const BUILT_IN: [(&str, &str); 8] = [
    ("8bit", include_str!("styles/8bit.ron")),
    ("16bit", include_str!("styles/16bit.ron")),
    ("32bit", include_str!("styles/32bit.ron")),
    ("gameboy", include_str!("styles/gameboy.ron")),
    ("pico8", include_str!("styles/pico8.ron")),
    ("cga", include_str!("styles/cga.ron")),
    ("1bit", include_str!("styles/1bit.ron")),
    ("modern", include_str!("styles/modern.ron")),
];

/// Longest style file, in bytes.
const MAX_STYLE_BYTES: u64 = 64 << 10;

/// A look under one name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Style {
    /// What it looks like, for the list.
    #[serde(default)]
    pub(crate) about: String,
    /// The prompt with the style's words; `{prompt}` is what the user wrote.
    #[serde(default)]
    prompt: Option<String>,
    /// What to keep out of the picture, added to what the user wrote.
    #[serde(default)]
    negative_prompt: Option<String>,
    /// Options by the names of the flags.
    #[serde(default)]
    options: BTreeMap<String, Value>,
    /// Where it was read; empty for those that come with the program.
    #[serde(skip)]
    pub(crate) file: PathBuf,
}

/// The value of an option.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Style {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let ron = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let style: Self = ron.from_str(text).or_usage()?;
        if style.prompt.as_ref().is_some_and(|prompt| !prompt.contains("{prompt}")) {
            return Err(usage("its prompt does not hold {prompt}, where the user's words belong"));
        }
        if style.options.keys().any(|key| key == "style" || key == "recipe") {
            return Err(usage("a style names no other style and no recipe"));
        }
        style.options()?;
        Ok(style)
    }

    /// The options that the style sets.
    ///
    /// # Errors
    /// When one is not known or has no such value.
    pub(crate) fn options(&self) -> anyhow::Result<DrawOptions> {
        DrawOptions::from_pairs(self.option_texts().iter().map(|(key, value)| (*key, value.as_str())))
    }

    /// The options as they would be written on the command line, by name.
    pub(crate) fn option_texts(&self) -> BTreeMap<&str, String> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect()
    }

    /// The options as `key=value`, for the list.
    pub(crate) fn summary(&self) -> String {
        let pairs: Vec<_> = self.option_texts().iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(" ")
    }

    /// Puts the style's words into a request. The embedded model is spared them: it has only learned what things are,
    /// and reads 32 tokens.
    pub(crate) fn dress(&self, request: &mut Request) {
        if request.model == ModelRef::Embedded {
            return;
        }
        if let Some(prompt) = &self.prompt {
            request.prompt = prompt.replace("{prompt}", &request.prompt);
        }
        if let Some(words) = &self.negative_prompt {
            let separator = if request.negative_prompt.is_empty() { "" } else { ", " };
            request.negative_prompt.push_str(&format!("{separator}{words}"));
        }
    }
}

/// All styles by name.
#[derive(Clone, Debug)]
pub(crate) struct Styles {
    folder: PathBuf,
}

impl Styles {
    /// The built-in styles, and those of a folder, which come first. The folder need not be there.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder that users add styles to.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The style of this name, upper or lower case, with or without hyphens.
    ///
    /// # Errors
    /// When there is none, with the nearest name, or when its file is damaged.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<Style> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
        let found = self.names().into_iter().find(|known| plain(known) == plain(name));
        match found {
            Some(name) => self.read(&name),
            None => {
                let names = self.names();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let folder = self.folder.display();
                Err(usage(format!("{} (styles of your own go into {folder})", unknown("style", name, &names))))
            }
        }
    }

    /// The names of all styles: the built-in ones in their order, then the user's.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let mut own: Vec<_> = entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "ron"))
            .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
            .filter(|name| !names.contains(name))
            .collect();
        own.sort();
        names.append(&mut own);
        names
    }

    fn read(&self, name: &str) -> anyhow::Result<Style> {
        let file = self.folder.join(format!("{name}.ron"));
        if let Ok(metadata) = file.metadata() {
            if metadata.len() > MAX_STYLE_BYTES {
                return Err(usage(format!("{} is no style: it has {} bytes", file.display(), metadata.len())));
            }
            let text = std::fs::read_to_string(&file).or_usage_in(file.display())?;
            let style = Style::parse(&text).or_usage_in(file.display())?;
            return Ok(Style { file, ..style });
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| Style::parse(text));
        built_in.unwrap_or_else(|| Err(usage(format!("{} went away", file.display()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_style_is_whole() {
        let styles = Styles::new("nowhere");
        for name in styles.names() {
            let style = styles.find(&name.to_uppercase()).unwrap();
            assert!(!style.about.is_empty() && style.prompt.is_some());
            let mut look = pixgen_api::PixelArt::for_generation();
            style.options().unwrap().look.apply(&mut look).unwrap();
            assert_eq!(look.validate(), Ok(()), "{name}");
        }
        assert_eq!(styles.find("16-Bit").unwrap().options().unwrap().settings.size, Some(32));
    }

    #[test]
    fn users_add_styles_and_change_built_in_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.ron"), r#"(options: {"colors": 5})"#).unwrap();
        std::fs::write(folder.path().join("8bit.ron"), r#"(options: {"size": 8})"#).unwrap();
        let styles = Styles::new(folder.path());
        assert_eq!(styles.find("mine").unwrap().options().unwrap().look.colors, Some(5));
        assert_eq!(styles.find("8bit").unwrap().options().unwrap().settings.size, Some(8));
        assert_eq!(styles.names().len(), 9);
    }

    #[test]
    fn an_unknown_style_gets_the_nearest_name_and_a_damaged_one_its_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.ron"), r#"(options: {"colours": 5})"#).unwrap();
        std::fs::write(folder.path().join("mute.ron"), r#"(prompt: "pixel art")"#).unwrap();
        let styles = Styles::new(folder.path());
        for (name, expected) in [
            ("gmaeboy", "did you mean \"gameboy\"?"),
            ("bad", "bad.ron: there is no option \"colours\": did you mean \"colors\"?"),
            ("mute", "does not hold {prompt}"),
        ] {
            let error = styles.find(name).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_words_go_to_models_that_know_them() {
        let style = Styles::new("nowhere").find("gameboy").unwrap();
        let mut request = Request::new(pixgen_api::Kind::Item, "a key");
        style.dress(&mut request);
        assert_eq!((request.prompt.as_str(), request.negative_prompt.as_str()), ("a key", ""));
        request.model = ModelRef::Folder("sdxl".into());
        request.negative_prompt = "text".into();
        style.dress(&mut request);
        assert_eq!(request.prompt, "a key, Game Boy sprite, four shades of green");
        assert_eq!(request.negative_prompt, "text, colorful, gradient, blurry, photo");
    }
}
