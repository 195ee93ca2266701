//! Microsoft's `.pal`: a RIFF file of type `PAL ` whose `data` chunk holds version 3, a count and `r g b flags` entries.

use super::{AT_MOST, MAX_FILE_COLORS, PaletteError, Reader};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut reader = Reader::new(bytes);
    let magic: [u8; 4] = reader.array("\"RIFF\"")?;
    if &magic != b"RIFF" {
        return Err(reader.error_before(4, format!("{magic:?}"), "\"RIFF\""));
    }
    reader.u32_le("the file's length")?;
    let kind: [u8; 4] = reader.array("the type \"PAL \"")?;
    if &kind != b"PAL " {
        let found = format!("the type {:?}", String::from_utf8_lossy(&kind));
        return Err(reader.error_before(4, found, "the type \"PAL \""));
    }
    loop {
        let name: [u8; 4] = reader.array("a chunk \"data\"")?;
        let length = reader.u32_le("the chunk's length")? as usize;
        if &name != b"data" {
            // Chunks begin at even places.
            reader.take(length.saturating_add(length % 2), "the rest of the chunk")?;
            continue;
        }
        reader.u16_le("the palette's version")?;
        let count = usize::from(reader.u16_le("the number of colours")?);
        if count > MAX_FILE_COLORS {
            return Err(reader.error_before(2, format!("{count} colours"), AT_MOST));
        }
        return (0..count)
            .map(|_| {
                let [r, g, b, _flags] = reader.array("four bytes of a colour")?;
                Ok([r, g, b])
            })
            .collect();
    }
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let count = colors.len().min(usize::from(u16::MAX));
    let data_bytes = 4 + 4 * count as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((4 + 8 + data_bytes).to_le_bytes());
    file.extend(b"PAL data");
    file.extend(data_bytes.to_le_bytes());
    file.extend(0x0300u16.to_le_bytes());
    file.extend((count as u16).to_le_bytes());
    file.extend(colors.iter().take(count).flat_map(|[r, g, b]| [*r, *g, *b, 0]));
    file
}
