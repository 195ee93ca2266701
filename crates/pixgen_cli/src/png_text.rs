//! What a PNG says about itself, carried over when its pixels change.

use std::io::Cursor;

use anyhow::Context;
use image::RgbaImage;
use pixgen_api::Request;
use pixgen_engine::{Bake, EngineError};

/// The chunk that holds the request.
pub(crate) const REQUEST: &str = "pixgen_request";

/// How every PNG begins.
const SIGNATURE: &[u8] = b"\x89PNG";

/// What the picture under a sprite's name is to the sprite, where `judge` says it of a PNG. What is no PNG was not drawn
/// here, whatever its file is called; only an empty file is nobody's work.
///
/// # Errors
/// When it begins as a PNG and is damaged, or holds nothing.
pub(crate) fn bake_in(
    bytes: &[u8],
    judge: impl FnOnce(&[u8]) -> Result<Bake, EngineError>,
) -> Result<Bake, EngineError> {
    if !bytes.is_empty() && !bytes.starts_with(SIGNATURE) {
        return Ok(Bake::ByHand);
    }
    judge(bytes)
}

/// The text chunks of a PNG, in their order.
///
/// # Errors
/// When the bytes are no PNG.
pub(crate) fn texts(png: &[u8]) -> anyhow::Result<Vec<(String, String)>> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
    reader.finish()?;
    let info = reader.info();
    let mut texts: Vec<(String, String)> = Vec::new();
    for chunk in &info.uncompressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.text.clone()));
    }
    for chunk in &info.compressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.get_text()?));
    }
    for chunk in &info.utf8_text {
        texts.push((chunk.keyword.clone(), chunk.get_text()?));
    }
    Ok(texts)
}

/// A picture as PNG with text chunks.
///
/// # Errors
/// When it has no pixels, or a keyword is longer than 79 letters.
pub(crate) fn encode(image: &RgbaImage, texts: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    // Sheets and floors go into repositories: small counts more than fast.
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    for (keyword, text) in texts {
        encoder.add_itxt_chunk(keyword.clone(), text.clone())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    writer.finish()?;
    Ok(bytes)
}

/// The PNG with other pixels; everything that it says about itself stays, but for what changes in its request.
///
/// # Errors
/// When the bytes are no PNG, or its request is damaged.
pub(crate) fn with_request(
    png: &[u8],
    image: &RgbaImage,
    change: impl FnOnce(&mut Request),
) -> anyhow::Result<Vec<u8>> {
    let mut texts = texts(png)?;
    if let Some((_, text)) = texts.iter_mut().find(|(keyword, _)| keyword == REQUEST) {
        let mut request: Request = ron::from_str(text).context("reading the sprite's request")?;
        change(&mut request);
        *text = ron::to_string(&request)?;
    }
    encode(image, &texts)
}

#[cfg(test)]
mod tests {
    use image::Rgba;
    use pixgen_api::{Kind, PaletteSource};

    use super::*;

    #[test]
    fn everything_said_survives_new_pixels() {
        let request = Request::new(Kind::Item, "une clé, 金の鍵");
        let said =
            vec![("Author".to_owned(), "somebody".to_owned()), (REQUEST.to_owned(), ron::to_string(&request).unwrap())];
        let png = encode(&RgbaImage::new(2, 2), &said).unwrap();
        assert_eq!(texts(&png).unwrap(), said);
        let red = RgbaImage::from_pixel(3, 1, Rgba([255, 0, 0, 255]));
        let changed = with_request(&png, &red, |request| request.pixel_art.palette = PaletteSource::Auto).unwrap();
        assert_eq!(image::load_from_memory(&changed).unwrap().to_rgba8(), red);
        let texts = texts(&changed).unwrap();
        assert_eq!(texts[0], said[0]);
        let read: Request = ron::from_str(&texts[1].1).unwrap();
        assert_eq!(read.pixel_art.palette, PaletteSource::Auto);
        assert!(super::texts(b"<html>").is_err());
    }
}
