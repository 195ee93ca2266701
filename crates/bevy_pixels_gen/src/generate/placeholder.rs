//! What stands where a sprite has not been generated yet.

use image::{ImageFormat, Rgba, RgbaImage};

/// A checkerboard of two greys in a frame, `size_px` squared: clearly not the final art, and not shouting.
pub(crate) fn placeholder_png(size_px: u32) -> Vec<u8> {
    let size = size_px.clamp(pixgen_api::MIN_SIZE_PX, pixgen_api::MAX_SIZE_PX);
    let cell = (size / 8).max(1);
    let picture = RgbaImage::from_fn(size, size, |x, y| {
        let on_frame = x == 0 || y == 0 || x == size - 1 || y == size - 1;
        let dashed = (x + y) % (cell * 2) < cell;
        match (on_frame, dashed, (x / cell + y / cell).is_multiple_of(2)) {
            (true, true, _) => Rgba([150, 155, 170, 255]),
            (true, false, _) => Rgba([0; 4]),
            (false, _, true) => Rgba([72, 76, 90, 255]),
            (false, _, false) => Rgba([84, 88, 104, 255]),
        }
    });
    let mut png = std::io::Cursor::new(Vec::new());
    if let Err(error) = picture.write_to(&mut png, ImageFormat::Png) {
        // Encoding into memory cannot run out of anything but memory.
        bevy::log::error!("the placeholder could not be encoded: {error}");
    }
    png.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_the_size_that_was_asked_for() {
        for (asked, expected) in [(16, 16), (32, 32), (100, 100), (0, pixgen_api::MIN_SIZE_PX)] {
            let picture = image::load_from_memory(&placeholder_png(asked)).unwrap();
            assert_eq!((picture.width(), picture.height()), (expected, expected));
        }
    }
}
