//! GIF and APNG as a viewer shows them, by readers of other hands.

use std::io::Cursor;

use image::{AnimationDecoder, RgbaImage};

/// Every frame as it stands on the screen, with its delay, by a crate that does nothing but dispose of GIF frames.
pub fn gif_frames(bytes: &[u8]) -> (Vec<(RgbaImage, u16)>, gif::Repeat) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).unwrap();
    let mut screen = gif_dispose::Screen::new_decoder(&decoder);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        screen.blit_frame(frame).unwrap();
        let (pixels, width, height) = screen.pixels_rgba().to_contiguous_buf();
        let pixels = pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b, pixel.a]).collect();
        frames.push((RgbaImage::from_raw(width as u32, height as u32, pixels).unwrap(), frame.delay));
    }
    (frames, decoder.repeat())
}

/// Every frame of an APNG as it stands on the screen, with its duration in milliseconds; the `image` crate lays the
/// frames over each other by its own code.
pub fn apng_frames(bytes: &[u8]) -> Vec<(RgbaImage, u32)> {
    let decoder = image::codecs::png::PngDecoder::new(Cursor::new(bytes)).unwrap();
    let frames = decoder.apng().unwrap().into_frames().collect_frames().unwrap();
    let shown = |frame: image::Frame| {
        let (ms, parts) = frame.delay().numer_denom_ms();
        (frame.into_buffer(), ms / parts)
    };
    frames.into_iter().map(shown).collect()
}
