//! What a model can do, read from the small files beside its weights.

use std::path::Path;

use pixgen_api::{Kind, MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARS, MAX_SIZE_PX, MAX_STEPS, ModelRef, SchedulerKind};
use serde::Deserialize;

use crate::files::read_up_to;
use crate::{EngineError, embedded};

/// The file in which a sprite model describes itself.
pub(crate) const DESCRIPTION: &str = "sprite_model.json";
/// Largest such file.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;
/// Most sizes that it may name.
const MAX_SIZES: usize = 64;
/// Largest edge of the picture that a model paints for a sprite, in pixels: four times SDXL's own.
const MAX_IMAGE_PX: u32 = 4096;

/// A sprite size that a model draws without enlarging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeSize {
    /// Edge of the sprite in pixels.
    pub sprite_px: u32,
    /// Edge of the picture that is painted for it, in pixels.
    pub image_px: u32,
}

/// What a model can do and how it likes to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// A name for people.
    pub name: String,
    /// Sizes it draws natively, smallest first.
    pub native_sizes: Vec<NativeSize>,
    /// Denoising steps when the request names none.
    pub steps: u32,
    /// Guidance scale when the request names none.
    pub guidance_scale: f32,
    /// Guidance rescale when the request names none.
    pub guidance_rescale: f32,
    /// Scheduler when the request names none.
    pub scheduler: SchedulerKind,
    /// How kind and prompt are put together; holds `{kind}` and `{prompt}`, and `{background}` where the model needs to be
    /// asked for a ground that the sprite can be cut out of.
    pub prompt_format: String,
    /// Whether the frames of an animation are told apart in words ("left foot forward"); models that were taught short
    /// captions only hear the motion.
    pub frame_words: bool,
}

/// `sprite_model.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    native_sizes_px: Vec<u32>,
    pixels_per_sprite_pixel: u32,
    steps: u32,
    guidance_scale: f32,
    guidance_rescale: f32,
    scheduler: SchedulerKind,
    prompt_format: String,
    #[serde(default)]
    frame_words: bool,
}

impl ModelInfo {
    /// Reads what a model says about itself; weights are not opened.
    ///
    /// # Errors
    /// When there is no such model, or its description is damaged.
    pub fn read(model: &ModelRef) -> Result<Self, EngineError> {
        match model {
            ModelRef::Embedded => {
                let text = embedded::file(DESCRIPTION).ok_or(EngineError::NoEmbeddedModel)?;
                Self::parse("sprite-tiny", DESCRIPTION, text)
            }
            ModelRef::Folder(folder) => Self::read_folder(folder),
            ModelRef::File(file) if file.is_dir() => Self::read_folder(file),
            ModelRef::File(file) if file.is_file() => {
                // There is no room in it for a description of ours.
                let name = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
                Ok(Self::of_plain_sdxl(&name))
            }
            ModelRef::File(file) => {
                Err(pixgen_sdxl::Error::MissingModelFile { file: file.display().to_string() }.into())
            }
        }
    }

    fn read_folder(folder: &Path) -> Result<Self, EngineError> {
        let name =
            folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
        if folder.is_file() {
            return Self::read(&ModelRef::File(folder.to_owned()));
        }
        if !folder.is_dir() {
            return Err(pixgen_sdxl::Error::MissingFolder { folder: folder.display().to_string() }.into());
        }
        let file = folder.join(DESCRIPTION);
        match read_up_to(&file, MAX_DESCRIPTION_BYTES) {
            Ok(text) => Self::parse(&name, &file.display().to_string(), &text),
            Err(EngineError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::of_plain_sdxl(&name))
            }
            Err(error) => Err(error),
        }
    }

    fn parse(name: &str, file: &str, text: &[u8]) -> Result<Self, EngineError> {
        let wrong = |reason: String| EngineError::ModelInfo { file: file.to_owned(), reason };
        let description: Description = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
        let scale = description.pixels_per_sprite_pixel;
        let mut sizes = description.native_sizes_px;
        sizes.sort_unstable();
        let is_size = |px: &u32| (1..=MAX_SIZE_PX).contains(px) && px.saturating_mul(scale) <= MAX_IMAGE_PX;
        if sizes.is_empty() || sizes.len() > MAX_SIZES || scale == 0 || !sizes.iter().all(is_size) {
            return Err(wrong(format!(
                "native_sizes_px and pixels_per_sprite_pixel must name 1 to {MAX_SIZES} sizes of 1 to {MAX_SIZE_PX} px, \
                 which are painted at {MAX_IMAGE_PX} px at most"
            )));
        }
        let Description { steps, guidance_scale, guidance_rescale, .. } = description;
        for (field, value, range) in [
            ("steps", steps as f32, 1.0..=MAX_STEPS as f32),
            ("guidance_scale", guidance_scale, 1.0..=MAX_GUIDANCE_SCALE),
            ("guidance_rescale", guidance_rescale, 0.0..=1.0),
        ] {
            if !range.contains(&value) {
                return Err(wrong(format!("{field} is {value}, expected {} to {}", range.start(), range.end())));
            }
        }
        if description.prompt_format.chars().count() > MAX_PROMPT_CHARS {
            return Err(wrong(format!("prompt_format has more than {MAX_PROMPT_CHARS} characters")));
        }
        if !description.prompt_format.contains("{prompt}") {
            return Err(wrong("prompt_format must hold {prompt}".to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            native_sizes: sizes
                .into_iter()
                .map(|sprite_px| NativeSize { sprite_px, image_px: sprite_px.saturating_mul(scale) })
                .collect(),
            steps: description.steps,
            guidance_scale: description.guidance_scale,
            guidance_rescale: description.guidance_rescale,
            scheduler: description.scheduler,
            prompt_format: description.prompt_format,
            frame_words: description.frame_words,
        })
    }

    /// Any SDXL checkpoint: it paints 1024 px pictures, of which every 8, 16 or 32 px make one sprite pixel.
    fn of_plain_sdxl(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            native_sizes: [32, 64, 128].map(|sprite_px| NativeSize { sprite_px, image_px: 1024 }).to_vec(),
            steps: 30,
            guidance_scale: 6.0,
            guidance_rescale: 0.0,
            scheduler: SchedulerKind::Dpmpp2m,
            prompt_format: "pixel art, {kind}, {prompt}{background}".to_owned(),
            frame_words: true,
        }
    }

    /// The text that the model is given. What is to be cut out is asked for on a ground that can be told from it.
    #[must_use]
    pub fn prompt(&self, kind: Kind, prompt: &str, cut_out: bool) -> String {
        let background = if cut_out { ", plain white background" } else { "" };
        // The prompt goes in last: it may itself hold "{kind}".
        let format = self.prompt_format.replace("{kind}", kind.word()).replace("{background}", background);
        format.replace("{prompt}", prompt.trim())
    }

    /// The native size for a sprite of `size_px` and the whole number by which it is then enlarged.
    #[must_use]
    pub fn fit(&self, size_px: u32) -> Option<(NativeSize, u32)> {
        let native = self.native_sizes.iter().rev().find(|native| size_px.is_multiple_of(native.sprite_px))?;
        (size_px > 0).then_some((*native, size_px / native.sprite_px))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> ModelInfo {
        let text = br#"{"native_sizes_px":[32,16],"pixels_per_sprite_pixel":1,"steps":8,"guidance_scale":3.0,
            "guidance_rescale":0.7,"scheduler":"ddim","prompt_format":"{kind}, {prompt}"}"#;
        ModelInfo::parse("tiny", DESCRIPTION, text).unwrap()
    }

    #[test]
    fn a_size_is_drawn_at_its_largest_native_divisor() {
        let check = |size_px, expected: Option<(u32, u32)>| {
            assert_eq!(tiny().fit(size_px).map(|(native, factor)| (native.sprite_px, factor)), expected, "{size_px}");
        };
        check(16, Some((16, 1)));
        check(32, Some((32, 1)));
        check(48, Some((16, 3)));
        check(64, Some((32, 2)));
        check(24, None);
        check(0, None);
    }

    #[test]
    fn the_prompt_keeps_braces_of_its_own() {
        assert_eq!(tiny().prompt(Kind::Item, " a {kind} potion ", true), "item, a {kind} potion");
        let sdxl = ModelInfo::of_plain_sdxl("sdxl");
        assert_eq!(sdxl.prompt(Kind::Item, "a key", true), "pixel art, item, a key, plain white background");
        assert_eq!(sdxl.prompt(Kind::Tile, "grass", false), "pixel art, tile, grass");
    }

    #[test]
    fn a_damaged_description_names_file_and_field() {
        let error =
            ModelInfo::parse("x", "m/sprite_model.json", br#"{"native_sizes_px":[16]}"#).unwrap_err().to_string();
        assert!(error.contains("m/sprite_model.json") && error.contains("pixels_per_sprite_pixel"), "{error}");
        let whole = r#"{"native_sizes_px":[16],"pixels_per_sprite_pixel":8,"steps":8,"guidance_scale":3.0,
            "guidance_rescale":0.7,"scheduler":"ddim","prompt_format":"{prompt}"}"#;
        assert!(ModelInfo::parse("x", "m", whole.as_bytes()).is_ok());
        for (field, absurd, named) in [
            ("[16]", "[4000000000]", "native_sizes_px"),
            ("[16]", "[0]", "native_sizes_px"),
            ("pixel\":8", "pixel\":4000000000", "pixels_per_sprite_pixel"),
            ("steps\":8", "steps\":4000000000", "steps is 4000000000, expected 1 to 150"),
            ("3.0", "1e30", "guidance_scale"),
            ("0.7", "-0.7", "guidance_rescale is -0.7"),
        ] {
            let error = ModelInfo::parse("x", "m", whole.replace(field, absurd).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
