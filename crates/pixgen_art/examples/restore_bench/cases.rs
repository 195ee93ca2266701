//! Which sprites are spoiled.

use std::collections::HashSet;
use std::path::Path;

use crate::degrade::{Case, Random, degrade};
use crate::pngs::pngs;

/// The cases of a seed, drawn from all PNGs below a folder: sprites with edges of 12 to 96 pixels and at least four
/// colours. Smaller ones and flat ones show too few edges for a grid to be in the picture at all, and larger ones are
/// whole sheets.
pub fn cases(folder: &Path, seed: u64, count: usize) -> Vec<Case> {
    let mut paths = Vec::new();
    pngs(folder, &mut paths);
    let mut random = Random(seed.wrapping_mul(0x5DEE_CE66_D1CE_4E5B));
    let mut cases = Vec::new();
    let mut tries = 0;
    while cases.len() < count && tries < 40 * count {
        tries += 1;
        let path = &paths[random.below(paths.len())];
        // Whole sheets are in the set too: their size is known without decoding them.
        let (width, height) = image::image_dimensions(path).unwrap();
        if width.min(height) < 12 || width.max(height) > 96 {
            continue;
        }
        let sprite = image::open(path).unwrap().to_rgba8();
        let colors = sprite.pixels().filter(|p| p.0[3] >= 128).map(|p| p.0).collect::<HashSet<_>>();
        if colors.len() < 4 {
            continue;
        }
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        cases.push(degrade(&name, &sprite, &mut random));
    }
    cases
}
