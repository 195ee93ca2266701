//! The palette of an Aseprite file (chunks 0x2019, 0x0004 and 0x0011 of its published format specification).

use super::{AT_MOST, MAX_FILE_COLORS, PaletteError, Reader};

const FILE_MAGIC: u16 = 0xA5E0;
const FRAME_MAGIC: u16 = 0xF1FA;

/// Bytes before the first frame.
const HEADER_BYTES: usize = 128;

/// Whether the two bytes of an Aseprite file stand where they should; other files may have them by chance.
pub(super) fn is_marked(bytes: &[u8]) -> bool {
    bytes.get(4..6) == Some(&FILE_MAGIC.to_le_bytes())
}

/// Whether file and first frame are marked and the length in the head is the file's: no other file is by chance.
pub(super) fn is_marked_throughout(bytes: &[u8]) -> bool {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    is_marked(bytes)
        && bytes.get(..4) == Some(&length)
        && bytes.get(HEADER_BYTES + 4..HEADER_BYTES + 6) == Some(&FRAME_MAGIC.to_le_bytes())
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut reader = Reader::new(bytes);
    reader.u32_le("the file's length")?;
    let magic = reader.u16_le("the magic number a5e0")?;
    if magic != FILE_MAGIC {
        return Err(reader.error_before(2, format!("{magic:04x}"), "the magic number a5e0 (Aseprite)"));
    }
    let frames = reader.u16_le("the number of frames")?;
    let header = reader.take(120, "the rest of a header of 128 bytes")?;
    // Depth 8 means indexed colours, whose transparent index is no colour.
    let transparent = (header.get(4) == Some(&8)).then(|| header.get(20).copied().map_or(0, usize::from));
    let mut colors: Vec<Option<[u8; 3]>> = Vec::new();
    let mut has_new = false;
    for _ in 0..frames {
        let start = reader.offset;
        let length = reader.u32_le("the length of a frame")? as usize;
        let magic = reader.u16_le("the magic number f1fa")?;
        if magic != FRAME_MAGIC {
            return Err(reader.error_before(2, format!("{magic:04x}"), "the magic number f1fa of a frame"));
        }
        let old_count = u32::from(reader.u16_le("the number of chunks")?);
        reader.take(4, "the duration of a frame")?;
        let new_count = reader.u32_le("the number of chunks")?;
        for _ in 0..if new_count == 0 { old_count } else { new_count } {
            let size = reader.u32_le("the length of a chunk")? as usize;
            let kind = reader.u16_le("the type of a chunk")?;
            let Some(rest) = size.checked_sub(6) else {
                return Err(reader.error_before(6, format!("a chunk of {size} bytes"), "at least 6 bytes"));
            };
            let mut chunk = reader.part(rest, "the rest of a chunk")?;
            match kind {
                0x2019 => {
                    has_new = true;
                    new_palette(&mut chunk, &mut colors)?;
                }
                0x0004 | 0x0011 if !has_new => old_palette(&mut chunk, &mut colors, kind == 0x0011)?,
                _ => {}
            }
        }
        // Bytes that belong to the frame and to no chunk.
        if let Some(left) = start.checked_add(length).and_then(|end| end.checked_sub(reader.offset)) {
            reader.take(left, "the rest of a frame")?;
        }
    }
    Ok(colors.into_iter().enumerate().filter(|(index, _)| Some(*index) != transparent).filter_map(|(_, c)| c).collect())
}

/// Puts a colour in its place, which is below [`MAX_FILE_COLORS`].
fn put(colors: &mut Vec<Option<[u8; 3]>>, index: usize, color: [u8; 3]) {
    if colors.len() <= index {
        colors.resize(index + 1, None);
    }
    colors[index] = Some(color);
}

fn new_palette(chunk: &mut Reader<'_>, colors: &mut Vec<Option<[u8; 3]>>) -> Result<(), PaletteError> {
    chunk.u32_le("the size of the palette")?;
    let first = chunk.u32_le("the first index")? as usize;
    let last = chunk.u32_le("the last index")? as usize;
    chunk.take(8, "eight bytes of nothing")?;
    if last >= MAX_FILE_COLORS {
        return Err(chunk.error_before(12, format!("the last index {last}"), AT_MOST));
    }
    for index in first..=last {
        let flags = chunk.u16_le("the flags of a colour")?;
        let [r, g, b, _alpha] = chunk.array("four bytes of a colour")?;
        if flags & 1 != 0 {
            let length = usize::from(chunk.u16_le("the length of a name")?);
            chunk.take(length, "the name of a colour")?;
        }
        put(colors, index, [r, g, b]);
    }
    Ok(())
}

fn old_palette(
    chunk: &mut Reader<'_>,
    colors: &mut Vec<Option<[u8; 3]>>,
    is_six_bit: bool,
) -> Result<(), PaletteError> {
    let packets = chunk.u16_le("the number of packets")?;
    let mut index = 0;
    for _ in 0..packets {
        let [skip, count] = chunk.array("two bytes of a packet")?;
        index += usize::from(skip);
        for _ in 0..if count == 0 { 256 } else { usize::from(count) } {
            let color: [u8; 3] = chunk.array("three bytes of a colour")?;
            let color = if is_six_bit { color.map(|value| (value & 63) << 2 | (value & 63) >> 4) } else { color };
            if index >= MAX_FILE_COLORS {
                return Err(chunk.error_before(3, format!("colour number {}", index + 1), AT_MOST));
            }
            put(colors, index, color);
            index += 1;
        }
    }
    Ok(())
}

/// A sprite of one transparent pixel with this palette.
pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let count = colors.len() as u32;
    let chunk_bytes = 6 + 20 + 6 * count;
    let frame_bytes = 16 + chunk_bytes;
    let mut file = Vec::new();
    file.extend((128 + frame_bytes).to_le_bytes());
    for value in [FILE_MAGIC, 1, 1, 1, 32] {
        file.extend(value.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    file.extend(100u16.to_le_bytes());
    file.resize(32, 0);
    file.extend((colors.len().min(256) as u16).to_le_bytes());
    file.extend([1, 1]);
    file.resize(HEADER_BYTES, 0);
    file.extend(frame_bytes.to_le_bytes());
    for value in [FRAME_MAGIC, 1, 100, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    file.extend(chunk_bytes.to_le_bytes());
    file.extend(0x2019u16.to_le_bytes());
    for value in [count, 0, count.saturating_sub(1)] {
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 8]);
    file.extend(colors.iter().flat_map(|[r, g, b]| [0, 0, *r, *g, *b, 255]));
    file
}
