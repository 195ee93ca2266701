//! Adobe's colour table `.act`: 256 entries of `r g b`, then the number of colours and the transparent index.

use super::{PaletteError, Reader};

const ENTRIES: usize = 256;

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut reader = Reader::new(bytes);
    let table = reader.take(3 * ENTRIES, "a table of 768 bytes")?;
    let (count, transparent) = if reader.is_at_end() {
        (ENTRIES, usize::MAX)
    } else {
        (usize::from(reader.u16_be("the number of colours")?), usize::from(reader.u16_be("the transparent index")?))
    };
    if count > ENTRIES {
        return Err(reader.error_before(4, format!("{count} colours"), "at most 256 colours"));
    }
    let colors = table.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).enumerate().take(count);
    Ok(colors.filter(|(index, _)| *index != transparent).map(|(_, color)| color).collect())
}

pub(super) fn write(colors: &[[u8; 3]]) -> Result<Vec<u8>, PaletteError> {
    let count = colors.len();
    if count > ENTRIES {
        return Err(PaletteError::NoRoom { colors: count, most: ENTRIES, extension: "act" });
    }
    let mut file: Vec<u8> = colors.iter().flatten().copied().collect();
    file.resize(3 * ENTRIES, 0);
    file.extend((count as u16).to_be_bytes());
    file.extend(u16::MAX.to_be_bytes());
    Ok(file)
}
