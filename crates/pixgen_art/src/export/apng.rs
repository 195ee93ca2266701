//! Animated PNG (`w3.org/TR/png-3`), lossless in colour and alpha; viewers that do not know it show the first frame.

use png::{BitDepth, BlendOp, ColorType, DisposeOp, Encoder};

use super::ExportError;
use super::preview::Preview;

/// Parts of a second that a delay can be counted in, the finest first.
const PARTS: [u16; 4] = [1000, 100, 10, 1];

/// The animation. Every frame replaces all of the one before, so that nothing shows through.
pub(super) fn write(preview: &Preview) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    let (width, height) = preview.size_px;
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let count = u32::try_from(preview.frames.len()).map_err(ExportError::encode)?;
    encoder.set_animated(count, preview.repeat).map_err(ExportError::encode)?;
    encoder.set_blend_op(BlendOp::Source).map_err(ExportError::encode)?;
    encoder.set_dispose_op(DisposeOp::None).map_err(ExportError::encode)?;
    let mut writer = encoder.write_header().map_err(ExportError::encode)?;
    for (image, duration_ms) in &preview.frames {
        let (parts, per_second) = delay(*duration_ms);
        writer.set_frame_delay(parts, per_second).map_err(ExportError::encode)?;
        writer.write_image_data(image.as_raw()).map_err(ExportError::encode)?;
    }
    writer.finish().map_err(ExportError::encode)?;
    Ok(bytes)
}

/// A duration as a fraction of seconds in 16 bits, as fine as it can be told.
fn delay(duration_ms: u32) -> (u16, u16) {
    let fraction = PARTS.into_iter().find_map(|part| {
        let count = (u64::from(duration_ms) * u64::from(part) + 500) / 1000;
        Some((u16::try_from(count).ok()?, part))
    });
    fraction.unwrap_or((u16::MAX, 1))
}

#[cfg(test)]
mod tests {
    use super::delay;

    #[test]
    fn durations_are_told_as_finely_as_they_can() {
        assert_eq!(delay(1), (1, 1000));
        assert_eq!(delay(65_535), (65_535, 1000));
        assert_eq!(delay(65_536), (6554, 100));
        assert_eq!(delay(3_600_000), (36_000, 10));
    }
}
