//! What a PNG may claim to be before memory is set aside for it.

use std::io;

use bevy::tasks::futures_lite::{AsyncRead, AsyncReadExt};

/// Longest edge of a PNG that is decoded, in pixels: what graphics cards take as a texture.
pub(crate) const MAX_EDGE_PX: u32 = 16_384;
/// Most pixels of a PNG that is decoded: 256 MiB of them.
pub(crate) const MAX_PIXELS: u64 = 64 << 20;
/// Longest file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 256 << 20;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Width and height from a PNG's header; `None` when the bytes do not begin like a PNG.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    let is_png = png.starts_with(&SIGNATURE) && png.get(12..16) == Some(b"IHDR");
    if is_png { Some((number(16)?, number(20)?)) } else { None }
}

/// Refuses a PNG whose header announces more pixels than any sprite sheet has; a few kilobytes can claim gigabytes.
/// What is no PNG at all is left to the decoder.
pub(crate) fn check(png: &[u8]) -> io::Result<()> {
    let Some((width, height)) = size(png) else { return Ok(()) };
    if width.max(height) <= MAX_EDGE_PX && u64::from(width) * u64::from(height) <= MAX_PIXELS {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "its header says {width} × {height} pixels; at most {MAX_EDGE_PX} along an edge and {MAX_PIXELS} in all are \
             read: make the picture smaller, or split it"
        ),
    ))
}

/// All of a file, unless it is longer than `max` bytes.
pub(crate) async fn read_at_most(mut reader: impl AsyncRead + Unpin, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let read = reader.read(&mut chunk).await?;
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() + read > max {
            let message = format!("the file has more than {max} bytes, which is more than is read");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(width: u32, height: u32) -> Vec<u8> {
        let mut png = SIGNATURE.to_vec();
        png.extend_from_slice(&[0, 0, 0, 13]);
        png.extend_from_slice(b"IHDR");
        png.extend_from_slice(&width.to_be_bytes());
        png.extend_from_slice(&height.to_be_bytes());
        png
    }

    #[test]
    fn absurd_headers_are_refused_and_everything_else_is_left_to_the_decoder() {
        assert!(check(&header(512, 512)).is_ok() && check(&header(16_384, 4096)).is_ok());
        for (width, height) in [(30_000, 30_000), (u32::MAX, 1), (16_384, 16_384)] {
            let error = check(&header(width, height)).unwrap_err().to_string();
            assert!(error.contains(&width.to_string()), "{error}");
        }
        assert!(check(b"<html>").is_ok() && check(&header(512, 512)[..20]).is_ok());
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let read = |max| bevy::tasks::block_on(read_at_most(bevy::asset::io::VecReader::new(vec![7; 40_000]), max));
        assert_eq!(read(40_000).unwrap().len(), 40_000);
        assert_eq!(read(39_999).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
