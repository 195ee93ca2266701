//! The pictures of a folder, for the examples that go through one.

use std::path::{Path, PathBuf};

/// Every PNG below a folder, in order.
pub(crate) fn pngs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pngs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "png") {
            found.push(path);
        }
    }
    found.sort();
}
