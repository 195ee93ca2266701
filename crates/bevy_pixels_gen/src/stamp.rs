//! How a file looks without being read: what tells whether it has changed.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// When a file was written and how long it is; `None` when it does not exist.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// How a file looks now.
pub(crate) fn stamp(file: &Path) -> Stamp {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
