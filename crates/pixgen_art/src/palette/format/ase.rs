//! Adobe Swatch Exchange `.ase`: blocks, of which colour entries (type 1) in RGB and grey are read.

use super::{PaletteError, Reader};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut reader = Reader::new(bytes);
    let magic: [u8; 4] = reader.array("\"ASEF\"")?;
    if &magic != b"ASEF" {
        let expected = "\"ASEF\" (Adobe Swatch Exchange), or e0 a5 at byte 4 (Aseprite)";
        return Err(reader.error_before(4, format!("{magic:?}"), expected));
    }
    reader.u32_be("the version")?;
    let blocks = reader.u32_be("the number of blocks")?;
    let mut colors = Vec::new();
    for _ in 0..blocks {
        let kind = reader.u16_be("the type of a block")?;
        let length = reader.u32_be("the length of a block")? as usize;
        let mut entry = reader.part(length, "the rest of the block")?;
        if kind != 1 {
            continue;
        }
        let name_chars = usize::from(entry.u16_be("the length of a name")?);
        entry.take(2 * name_chars, "a name in UTF-16")?;
        let model: [u8; 4] = entry.array("a colour model")?;
        let mut channel = || -> Result<u8, PaletteError> {
            let value = f32::from_bits(entry.u32_be("a colour channel")?);
            // NaN becomes 0.
            Ok((value.clamp(0.0, 1.0) * 255.0).round() as u8)
        };
        colors.push(match &model {
            b"RGB " => [channel()?, channel()?, channel()?],
            b"Gray" => [channel()?; 3],
            other => {
                let found = format!("the colour model {:?}", String::from_utf8_lossy(other));
                return Err(entry.error_before(4, found, "\"RGB \" or \"Gray\""));
            }
        });
    }
    Ok(colors)
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let mut file = b"ASEF\0\x01\0\0".to_vec();
    file.extend((colors.len() as u32).to_be_bytes());
    for color in colors {
        // Seven characters: `rrggbb` and the closing zero.
        let name: Vec<u8> = format!("{:02x}{:02x}{:02x}\0", color[0], color[1], color[2])
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        file.extend(1u16.to_be_bytes());
        file.extend((2 + name.len() as u32 + 4 + 12 + 2).to_be_bytes());
        file.extend(7u16.to_be_bytes());
        file.extend(name);
        file.extend(b"RGB ");
        file.extend(color.iter().flat_map(|value| (f32::from(*value) / 255.0).to_be_bytes()));
        file.extend(0u16.to_be_bytes());
    }
    file
}
