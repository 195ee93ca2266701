//! Our own description of a sheet: [`SpriteSheet`](pixgen_api::SpriteSheet) as a `*.sheet.ron` file.

use ron::ser::PrettyConfig;

use super::ExportError;
use crate::sheet::PackedSheet;

/// One frame per line: a sheet of a hundred frames is still looked through, and its changes are seen in a diff.
const DEPTH: usize = 2;

/// The description, without the image.
pub(super) fn write(sheet: &PackedSheet) -> Result<Vec<u8>, ExportError> {
    let layout = PrettyConfig::new().depth_limit(DEPTH).new_line("\n");
    let mut text = ron::ser::to_string_pretty(&sheet.data, layout).map_err(ExportError::encode)?;
    text.push('\n');
    Ok(text.into_bytes())
}
