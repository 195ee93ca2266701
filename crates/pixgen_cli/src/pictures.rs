//! Pictures of other programs: PNG, JPEG, WebP and GIF, told apart by their first bytes.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::RgbaImage;
use pixgen_art::MAX_EDGE_PX;

/// The extensions that are looked for in folders.
const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 32;

/// Reads a picture; of an animation the first frame.
///
/// # Errors
/// When it cannot be read, is of another kind, or is larger than 16,384 px.
pub(crate) fn read(path: &Path) -> anyhow::Result<RgbaImage> {
    let place = || path.display().to_string();
    let length = path.metadata().with_context(place)?.len();
    if length > MAX_FILE_BYTES {
        bail!("{} has {length} bytes, at most {MAX_FILE_BYTES} are read", path.display());
    }
    let bytes = std::fs::read(path).with_context(place)?;
    decode(&bytes).with_context(place)
}

fn decode(bytes: &[u8]) -> anyhow::Result<RgbaImage> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(bytes),
        [b'G', b'I', b'F', b'8', ..] => gif(bytes),
        _ => bail!("no picture that can be read: expected PNG, JPEG, WebP or GIF"),
    }
}

fn png(bytes: &[u8]) -> anyhow::Result<RgbaImage> {
    let mut reader = image::ImageReader::new(Cursor::new(bytes));
    reader.set_format(image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_EDGE_PX);
    limits.max_image_height = Some(MAX_EDGE_PX);
    reader.limits(limits);
    Ok(reader.decode()?.to_rgba8())
}

fn jpeg(bytes: &[u8]) -> anyhow::Result<RgbaImage> {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;

    let edge = MAX_EDGE_PX as usize;
    let options =
        DecoderOptions::default().set_max_width(edge).set_max_height(edge).jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| anyhow::anyhow!("{error}"))?;
    let (width, height) = decoder.dimensions().context("the JPEG says no size")?;
    whole(u32::try_from(width)?, u32::try_from(height)?, pixels)
}

fn webp(bytes: &[u8]) -> anyhow::Result<RgbaImage> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions();
    check_edges(width, height)?;
    let mut pixels = vec![0; decoder.output_buffer_size().context("the WebP is too large")?];
    decoder.read_image(&mut pixels)?;
    if decoder.has_alpha() {
        return whole(width, height, pixels);
    }
    whole(width, height, pixels.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect())
}

fn gif(bytes: &[u8]) -> anyhow::Result<RgbaImage> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(Cursor::new(bytes))?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    check_edges(width, height)?;
    let frame = decoder.read_next_frame()?.context("the GIF holds no frame")?;
    let part = whole(frame.width.into(), frame.height.into(), frame.buffer.to_vec())?;
    let mut image = RgbaImage::new(width, height);
    image::imageops::replace(&mut image, &part, frame.left.into(), frame.top.into());
    Ok(image)
}

fn check_edges(width: u32, height: u32) -> anyhow::Result<()> {
    if width > MAX_EDGE_PX || height > MAX_EDGE_PX {
        bail!("the picture has {width}×{height} px, at most {MAX_EDGE_PX}×{MAX_EDGE_PX} px are read");
    }
    Ok(())
}

fn whole(width: u32, height: u32, pixels: Vec<u8>) -> anyhow::Result<RgbaImage> {
    RgbaImage::from_raw(width, height, pixels).context("the picture holds fewer pixels than it says")
}

/// Every picture of a folder and of those in it, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in folder.read_dir().with_context(|| format!("reading the folder {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth < MAX_DEPTH {
                collect(&path, depth + 1, found)?;
            }
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) {
            found.push(path);
        }
    }
    Ok(())
}
