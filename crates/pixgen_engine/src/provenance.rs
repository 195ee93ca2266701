//! Where a sprite comes from, written into the PNG itself.
//!
//! Text chunks: `pixgen_request` (the request as RON: draw it again), `parameters` (what other tools read,
//! in the AUTOMATIC1111 format), `pixgen_model` (fingerprint of the weights), `pixgen_inputs` (hashes of the LoRAs, the
//! autoencoder and the pictures that it began with), `pixgen_recipe` (hash of the recipe as it was asked for), `Software`,
//! and `DigitalSourceType`, the IPTC term that says a picture was made by a trained model.

use std::io::Cursor;

use image::RgbaImage;
use pixgen_api::Request;
use serde::{Deserialize, Serialize};

use crate::{EngineError, Plan, foreign};

/// IPTC NewsCodes: "created using a model trained on sampled content".
const MADE_BY_A_MODEL: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// Most text of one chunk that is read.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// The request as RON.
const REQUEST: &str = "pixgen_request";
/// Hash of the recipe.
const RECIPE: &str = "pixgen_recipe";
/// What other tools write and read.
const PARAMETERS: &str = "parameters";

/// A file besides the model that a sprite was drawn with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it was for.
    pub role: InputRole,
    /// The file's name, without its folder.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// What a file besides the model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputRole {
    /// An adapter.
    Lora,
    /// Another autoencoder; its hash is that of [`Provenance::model`]'s kind, over parts of the file.
    Vae,
    /// The picture to begin with.
    InitImage,
    /// Where it is painted anew.
    Mask,
    /// The file of its palette.
    Palette,
}

/// What a PNG says of how it was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The request that draws it again, as far as it is known.
    pub request: Request,
    /// Name of the model and, in our own pictures, fingerprint of its weights.
    pub model: Option<String>,
    /// The other files that it was drawn with.
    pub inputs: Vec<Input>,
    /// In sentences, what the request could not take over; for pictures of other tools mostly.
    pub notes: Vec<String>,
}

/// Everything that determines a sprite.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// The request for this one image, every default filled in.
    pub request: Request,
    /// Name of the model and fingerprint of its weights.
    pub model: String,
    /// Edge at which the sprite was drawn before it was enlarged, in pixels.
    pub native_size_px: u32,
    /// The other files that it was drawn with.
    pub inputs: Vec<Input>,
    /// Hash of the request as it was asked for, before any default was filled in: tells whether a recipe has changed.
    pub recipe: Option<String>,
}

impl Provenance {
    /// The provenance of image `image` of a plan, without the recipe.
    #[must_use]
    pub fn of(plan: &Plan, image: u32, model: String, inputs: Vec<Input>) -> Self {
        Self { request: plan.single(image), model, native_size_px: plan.native_size_px, inputs, recipe: None }
    }

    fn parameters(&self) -> String {
        let request = &self.request;
        let mut text = request.prompt.clone();
        for lora in &request.loras {
            text.push_str(&format!(" <lora:{}:{}>", lora.name(), lora.weight));
        }
        if !request.negative_prompt.is_empty() {
            text.push_str(&format!("\nNegative prompt: {}", request.negative_prompt));
        }
        text.push_str(&format!(
            "\nSteps: {}, Sampler: {}, CFG scale: {}, Seed: {}, Size: {size}x{size}, Model: {}",
            request.steps.unwrap_or_default(),
            request.scheduler.unwrap_or_default().name(),
            request.guidance_scale.unwrap_or_default(),
            request.seed.unwrap_or_default(),
            self.model,
            size = request.size_px,
        ));
        if request.clip_skip > 0 {
            text.push_str(&format!(", Clip skip: {}", request.clip_skip + 2));
        }
        if request.init_image.is_some() {
            text.push_str(&format!(", Denoising strength: {}", request.strength.unwrap_or(Request::DEFAULT_STRENGTH)));
        }
        let loras: Vec<_> = self.inputs.iter().filter(|input| input.role == InputRole::Lora).collect();
        if !loras.is_empty() {
            // Twelve digits of the hash, as the web UI writes them.
            let hashes: Vec<_> = loras
                .iter()
                .map(|lora| {
                    let name = lora.name.trim_end_matches(".safetensors");
                    format!("{name}: {}", lora.sha256.get(..12).unwrap_or(&lora.sha256))
                })
                .collect();
            text.push_str(&format!(", Lora hashes: \"{}\"", hashes.join(", ")));
        }
        text
    }

    fn chunks(&self) -> Result<Vec<(&'static str, String)>, EngineError> {
        let request = &self.request;
        let text = ron_of(request)?;
        let mut chunks = vec![
            (REQUEST, text),
            (PARAMETERS, self.parameters()),
            ("pixgen_model", self.model.clone()),
            ("pixgen_native_size_px", self.native_size_px.to_string()),
            ("Software", concat!("bevy_pixels_gen ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("DigitalSourceType", MADE_BY_A_MODEL.to_owned()),
        ];
        if !self.inputs.is_empty() {
            chunks.push(("pixgen_inputs", ron_of(&self.inputs)?));
        }
        if let Some(hash) = &self.recipe {
            chunks.push((RECIPE, hash.clone()));
        }
        if let Some(animation) = &request.animation {
            chunks.push(("pixgen_frames", animation.frames.to_string()));
        }
        Ok(chunks)
    }

    /// Encodes a sprite with its provenance.
    ///
    /// # Errors
    /// When the image cannot be encoded (it has no pixels).
    pub fn encode(&self, sprite: &RgbaImage) -> Result<Vec<u8>, EngineError> {
        let failed =
            |e: png::EncodingError| EngineError::Png { path: "the new sprite".to_owned(), reason: e.to_string() };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, sprite.width(), sprite.height());
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        for (keyword, text) in self.chunks()? {
            // iTXt is UTF-8; tEXt would be Latin-1, and prompts are written in every language.
            encoder.add_itxt_chunk(keyword.to_owned(), text).map_err(failed)?;
        }
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(sprite.as_raw()).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    /// The request that drew a PNG, or `None` when the PNG is none of ours. [`Provenance::recover`] asks pictures of other
    /// tools as well.
    ///
    /// # Errors
    /// When the bytes are no PNG, or its request is damaged.
    pub fn request_of(png: &[u8]) -> Result<Option<Request>, EngineError> {
        Ok(Texts::read(png)?.ours()?.map(|recovered| recovered.request))
    }

    /// How a PNG was drawn, as far as it says: our own pictures exactly, those of other tools from their `parameters`.
    ///
    /// # Errors
    /// When the bytes are no PNG, or its request is damaged.
    pub fn recover(png: &[u8]) -> Result<Option<Recovered>, EngineError> {
        let texts = Texts::read(png)?;
        if let Some(ours) = texts.ours()? {
            return Ok(Some(ours));
        }
        Ok(texts.get(PARAMETERS).and_then(foreign::read).map(|foreign| Recovered {
            request: foreign.request,
            model: foreign.model,
            inputs: Vec::new(),
            notes: foreign.notes,
        }))
    }

    /// Hash of the recipe that a PNG was drawn for, or `None` when the PNG does not say.
    ///
    /// # Errors
    /// When the bytes are no PNG.
    pub(crate) fn recipe_of(png: &[u8]) -> Result<Option<String>, EngineError> {
        Ok(Texts::read(png)?.get(RECIPE).map(str::to_owned))
    }

    /// The files besides the model that a PNG was drawn with, as far as it says.
    ///
    /// # Errors
    /// When the bytes are no PNG.
    pub(crate) fn inputs_of(png: &[u8]) -> Result<Vec<Input>, EngineError> {
        Ok(Texts::read(png)?.inputs())
    }

    /// Columns and rows of a PNG, from its header.
    ///
    /// # Errors
    /// When the bytes are no PNG.
    pub(crate) fn size_of(png: &[u8]) -> Result<(u32, u32), EngineError> {
        let reader = decoder(png).read_info().map_err(|e| unreadable(e.to_string()))?;
        Ok((reader.info().width, reader.info().height))
    }
}

fn unreadable(reason: String) -> EngineError {
    EngineError::Png { path: "the picture".to_owned(), reason }
}

/// A decoder that does not let a few bytes unfold into gigabytes of text.
fn decoder(png: &[u8]) -> png::Decoder<Cursor<&[u8]>> {
    png::Decoder::new_with_limits(Cursor::new(png), png::Limits { bytes: 8 * MAX_TEXT_BYTES })
}

fn ron_of(value: &impl Serialize) -> Result<String, EngineError> {
    ron::to_string(value)
        .map_err(|e| EngineError::Png { path: "the sprite's provenance".to_owned(), reason: e.to_string() })
}

/// The texts of a PNG, by their keyword.
struct Texts(Vec<(String, String)>);

impl Texts {
    fn read(png: &[u8]) -> Result<Self, EngineError> {
        let mut reader = decoder(png).read_info().map_err(|e| unreadable(e.to_string()))?;
        // Texts may stand behind the pixels. A picture that is cut off there still has those in front.
        let whole = reader.finish();
        let info = reader.info();
        let mut texts = Vec::new();
        for chunk in &info.utf8_text {
            let mut chunk = chunk.clone();
            if chunk.decompress_text_with_limit(MAX_TEXT_BYTES).is_ok()
                && let Ok(text) = chunk.get_text()
            {
                texts.push((chunk.keyword.clone(), text));
            }
        }
        texts.extend(info.uncompressed_latin1_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.text.clone())));
        for chunk in &info.compressed_latin1_text {
            let mut chunk = chunk.clone();
            if chunk.decompress_text_with_limit(MAX_TEXT_BYTES).is_ok()
                && let Ok(text) = chunk.get_text()
            {
                texts.push((chunk.keyword.clone(), text));
            }
        }
        if texts.is_empty() {
            whole.map_err(|e| unreadable(e.to_string()))?;
        }
        Ok(Self(texts))
    }

    fn get(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == keyword).map(|(_, text)| text.as_str())
    }

    fn ours(&self) -> Result<Option<Recovered>, EngineError> {
        let Some(text) = self.get(REQUEST) else { return Ok(None) };
        let request = ron::from_str(text).map_err(|e| unreadable(format!("its request cannot be read: {e}")))?;
        let model = self.get("pixgen_model").map(str::to_owned);
        Ok(Some(Recovered { request, model, inputs: self.inputs(), notes: Vec::new() }))
    }

    fn inputs(&self) -> Vec<Input> {
        self.get("pixgen_inputs").and_then(|text| ron::from_str(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use pixgen_api::Kind;

    use super::*;

    #[test]
    fn the_request_comes_back_from_the_png_with_its_pixels() {
        let mut request = Request::new(Kind::Item, "une clé dorée, 金の鍵");
        request.seed = Some(9);
        let provenance = Provenance {
            request: request.clone(),
            model: "m abc".to_owned(),
            native_size_px: 16,
            inputs: Vec::new(),
            recipe: None,
        };
        let sprite = RgbaImage::from_fn(5, 3, |x, y| image::Rgba([x as u8, y as u8, 200, 255]));
        let png = provenance.encode(&sprite).unwrap();
        assert_eq!(Provenance::request_of(&png).unwrap(), Some(request));
        assert_eq!(image::load_from_memory(&png).unwrap().to_rgba8(), sprite);
        assert_eq!(provenance.encode(&sprite).unwrap(), png, "the same sprite is the same file");
    }

    #[test]
    fn a_png_of_another_tool_has_no_request_and_a_text_file_is_an_error() {
        let mut plain = Cursor::new(Vec::new());
        RgbaImage::new(2, 2).write_to(&mut plain, image::ImageFormat::Png).unwrap();
        assert_eq!(Provenance::request_of(plain.get_ref()).unwrap(), None);
        assert!(Provenance::request_of(b"<html>").is_err());
    }

    #[test]
    fn hashes_of_loras_are_told_to_us_and_to_other_tools() {
        let mut request = Request::new(Kind::Item, "a key");
        request.loras = vec!["loras/pixel.safetensors:0.8".parse().unwrap()];
        let input = Input {
            role: InputRole::Lora,
            name: "pixel.safetensors".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
        };
        let provenance = Provenance {
            request: request.clone(),
            model: "m".to_owned(),
            native_size_px: 4,
            inputs: vec![input.clone()],
            recipe: None,
        };
        let png = provenance.encode(&RgbaImage::new(4, 4)).unwrap();
        let recovered = Provenance::recover(&png).unwrap().unwrap();
        assert_eq!((recovered.request, recovered.inputs), (request, vec![input]));
        let parameters = provenance.parameters();
        assert!(parameters.starts_with("a key <lora:pixel:0.8>\n"), "{parameters}");
        assert!(parameters.ends_with("Lora hashes: \"pixel: 0123456789ab\""), "{parameters}");
    }

    #[test]
    fn pictures_of_other_tools_are_asked_in_latin_1_and_utf_8() {
        let with = |compressed: bool| {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
            let text =
                "a knight\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512";
            if compressed {
                encoder.add_ztxt_chunk("parameters".to_owned(), text.to_owned()).unwrap();
            } else {
                encoder.add_text_chunk("parameters".to_owned(), text.to_owned()).unwrap();
            }
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&[0]).unwrap();
            writer.finish().unwrap();
            Provenance::recover(&bytes).unwrap().unwrap().request
        };
        for compressed in [false, true] {
            let request = with(compressed);
            assert_eq!((request.prompt.as_str(), request.seed, request.size_px), ("a knight", Some(5), 512));
        }
    }
}
