//! What must hold for any bytes: the checks that the fuzz targets share.
//!
//! A file is read or refused; it never panics, hangs or eats memory. What was read can be written and is read again,
//! and what is refused says where.

use pixgen_art::palette::format::{Format, MAX_FILE_COLORS, PaletteError};
use pixgen_art::restore::{GridSize, restore, sprite_of};

/// One palette file.
pub fn palette(format: Format, bytes: &[u8]) {
    match format.parse(bytes) {
        Ok(colors) => {
            assert!((1..=MAX_FILE_COLORS).contains(&colors.len()));
            for other in Format::ALL {
                match other.write(&colors) {
                    Ok(file) => assert_eq!(other.parse(&file).as_ref(), Ok(&colors), "{format:?} as {other:?}"),
                    Err(error) => assert!(matches!(error, PaletteError::NoRoom { .. }), "{other:?}: {error}"),
                }
            }
        }
        Err(PaletteError::Line { line, .. }) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(format.is_text() && (1..=lines).contains(&line), "line {line} of {lines}");
        }
        Err(PaletteError::Byte { offset, .. }) => assert!(!format.is_text() && offset <= bytes.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A palette file of unknown kind.
pub fn detect(bytes: &[u8]) {
    for extension in ["", "hex", "gpl", "pal", "act", "ase", "aseprite", "png", "txt", "doc"] {
        if let Ok(format) = Format::detect(bytes, extension) {
            palette(format, bytes);
        }
    }
}

/// A picture of up to 12×12 px (small, so that there are many): three bytes of size and question, the rest repeated as its pixels.
pub fn picture(bytes: &[u8]) {
    let [width, height, question, rest @ ..] = bytes else { return };
    let (width, height) = (u32::from(width % 13), u32::from(height % 13));
    let mut source = rest.iter().copied().cycle();
    let mut next = || source.next().unwrap_or(question.wrapping_mul(31));
    let picture = image::RgbaImage::from_fn(width, height, |_, _| image::Rgba([next(), next(), next(), next() | 0xC0]));
    let scale = f32::from(*question) / 16.0;
    let size = match question % 3 {
        0 => GridSize::Unknown,
        1 => GridSize::Cells { width: u32::from(question / 6), height: u32::from(question / 7) },
        _ => GridSize::Scale { x_px: scale, y_px: 16.0 / scale },
    };
    if let (Ok(sprite), GridSize::Cells { width, height }) = (restore(&picture, size), size) {
        assert_eq!(sprite.dimensions(), (width, height));
    }
    if size == GridSize::Unknown {
        let sprite = sprite_of(&picture);
        assert!(sprite.width() <= width.max(1) && sprite.height() <= height.max(1));
    }
}

/// A PNG whose text chunks may hold a request, ours or another tool's parameters.
#[cfg(feature = "engine")]
pub fn png_text(bytes: &[u8]) {
    use pixgen_engine::Provenance;
    match (Provenance::request_of(bytes), Provenance::recover(bytes)) {
        (Ok(Some(request)), Ok(Some(recovered))) => {
            // As text, since a number may be NaN, which equals nothing.
            assert_eq!(format!("{request:?}"), format!("{:?}", recovered.request), "the two readers differ");
        }
        (Ok(Some(_)), other) => panic!("a request was read and not recovered: {other:?}"),
        (Err(error), _) | (_, Err(error)) => assert!(!error.to_string().is_empty()),
        (Ok(None), Ok(_)) => {}
    }
}
