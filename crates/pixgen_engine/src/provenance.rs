//! Where a sprite comes from, written into the PNG itself.
//!
//! Text chunks: `pixgen_request` (the request as RON: draw it again), `parameters` (what other tools read,
//! in the AUTOMATIC1111 format), `pixgen_model` (fingerprint of the weights), `pixgen_recipe` (hash of the recipe as it
//! was asked for), `Software`, and `DigitalSourceType`, the IPTC term that says a picture was made by a trained model.

use std::io::Cursor;

use image::RgbaImage;
use pixgen_api::Request;

use crate::{EngineError, Plan};

/// IPTC NewsCodes: "created using a model trained on sampled content".
const MADE_BY_A_MODEL: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// Keyword of the chunk with the request.
const REQUEST: &str = "pixgen_request";
/// Keyword of the chunk with the recipe's hash.
const RECIPE: &str = "pixgen_recipe";

/// Everything that determines a sprite.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// The request for this one image, every default filled in.
    pub request: Request,
    /// Name of the model and fingerprint of its weights.
    pub model: String,
    /// Edge at which the sprite was drawn before it was enlarged, in pixels.
    pub native_size_px: u32,
    /// Hash of the request as it was asked for, before any default was filled in: tells whether a recipe has changed.
    pub recipe: Option<String>,
}

impl Provenance {
    /// The provenance of image `image` of a plan, without the recipe.
    #[must_use]
    pub fn of(plan: &Plan, image: u32, model: String) -> Self {
        Self { request: plan.single(image), model, native_size_px: plan.native_size_px, recipe: None }
    }

    fn parameters(&self) -> String {
        let request = &self.request;
        let mut text = request.prompt.clone();
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
        text
    }

    fn chunks(&self) -> Result<Vec<(&'static str, String)>, EngineError> {
        let request = ron::to_string(&self.request)
            .map_err(|e| EngineError::Png { path: "the sprite's provenance".to_owned(), reason: e.to_string() })?;
        let recipe = self.recipe.clone().map(|hash| (RECIPE, hash));
        let chunks = [
            (REQUEST, request),
            ("parameters", self.parameters()),
            ("pixgen_model", self.model.clone()),
            ("pixgen_native_size_px", self.native_size_px.to_string()),
            ("Software", concat!("bevy_pixels_gen ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("DigitalSourceType", MADE_BY_A_MODEL.to_owned()),
        ];
        Ok(chunks.into_iter().chain(recipe).collect())
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

    /// The request that drew a PNG, or `None` when the PNG does not say.
    ///
    /// # Errors
    /// When the bytes are no PNG, or its request is damaged.
    pub fn request_of(png: &[u8]) -> Result<Option<Request>, EngineError> {
        let Some(text) = text_of(png, REQUEST)? else { return Ok(None) };
        ron::from_str(&text).map(Some).map_err(|e| no_png(format!("its request cannot be read: {e}")))
    }

    /// Hash of the recipe that a PNG was drawn for, or `None` when the PNG does not say.
    ///
    /// # Errors
    /// When the bytes are no PNG.
    pub(crate) fn recipe_of(png: &[u8]) -> Result<Option<String>, EngineError> {
        text_of(png, RECIPE)
    }
}

fn no_png(reason: String) -> EngineError {
    EngineError::Png { path: "the picture".to_owned(), reason }
}

/// The text chunk of a PNG with this keyword.
fn text_of(png: &[u8], keyword: &str) -> Result<Option<String>, EngineError> {
    let failed = |e: png::DecodingError| no_png(e.to_string());
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().map_err(failed)?;
    reader.finish().map_err(failed)?;
    let chunk = reader.info().utf8_text.iter().find(|chunk| chunk.keyword == keyword);
    chunk.map(|chunk| chunk.get_text().map_err(failed)).transpose()
}

#[cfg(test)]
mod tests {
    use pixgen_api::Kind;

    use super::*;

    #[test]
    fn the_request_comes_back_from_the_png_with_its_pixels() {
        let mut request = Request::new(Kind::Item, "une clé dorée, 金の鍵");
        request.seed = Some(9);
        let provenance =
            Provenance { request: request.clone(), model: "m abc".to_owned(), native_size_px: 16, recipe: None };
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
}
