//! Tiles that fit to each other: the variations of a tile share its outermost pixels, so that what meets at a seam is
//! the same whichever two of them lie side by side.

use anyhow::Context;
use image::{GrayImage, Luma, RgbaImage};
use pixgen_art::tile::{MAX_SEAM_Z, PairSeams, SEAMLESS_Z, Seams, check_pairs, repair_seams};
use pixgen_art::{Palette, delta_e};

/// How tiles are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TilesetPlan {
    /// Edge of a tile at which it is drawn, in pixels.
    pub(crate) size_px: u32,
    /// How many tiles.
    pub(crate) variations: u32,
    /// Most colours of all tiles together; `None` keeps what was drawn.
    pub(crate) colors: Option<u32>,
    /// Most drawings for one tile.
    pub(crate) tries: u32,
    /// The first seed.
    pub(crate) seed: u64,
}

/// What a tile is drawn from.
#[derive(Clone, Debug)]
pub(crate) enum Drawing<'a> {
    /// Noise alone.
    Fresh,
    /// The first tile, of which only what is white in the mask is drawn anew.
    Variation {
        /// The first tile.
        of: &'a RgbaImage,
        /// White inside, black on the ring that stays.
        mask: &'a GrayImage,
    },
}

/// A tile of the set.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// Its pixels.
    pub(crate) image: RgbaImage,
    /// The seed that drew it.
    pub(crate) seed: u64,
}

/// The finished set.
#[derive(Clone, Debug)]
pub(crate) struct Tileset {
    /// Its tiles; any two fit to each other.
    pub(crate) tiles: Vec<Tile>,
    /// Every ordered pair, on both axes.
    pub(crate) pairs: Vec<PairSeams>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Tileset {
    /// The steepest seam of all pairs, as a z-score.
    pub(crate) fn worst_z(&self) -> f32 {
        self.pairs.iter().map(|pair| pair.seams.worst_z()).fold(-MAX_SEAM_Z, f32::max)
    }

    /// Pairs whose seam is seen.
    pub(crate) fn misfits(&self) -> usize {
        self.pairs.iter().filter(|pair| !pair.seams.is_seamless()).count()
    }
}

/// How wide the ring is that all variations share, in pixels: wide enough that what crosses it looks continued, narrow
/// enough that the middle differs.
pub(crate) fn ring_px(size_px: u32) -> u32 {
    (size_px / 10).clamp(1, 12)
}

/// White inside, black on the ring.
pub(crate) fn inside_mask(size_px: u32) -> GrayImage {
    let ring = ring_px(size_px);
    let inside = |at: u32| at >= ring && at + ring < size_px;
    GrayImage::from_fn(size_px, size_px, |x, y| Luma([if inside(x) && inside(y) { 255 } else { 0 }]))
}

/// How much steeper the edge between ring and inside may be than in the first tile, where both were painted at once. A
/// variation above this shows a frame around another picture.
const MAX_FRAME_RATIO: f32 = 1.5;

/// A first tile without any step there would forbid every variation (ΔE_OK; a difference that is just seen).
const LEAST_STEP: f32 = 0.02;

/// The mean step over the edge between the ring and the inside (ΔE_OK).
fn frame_step(tile: &RgbaImage, mask: &GrayImage) -> f32 {
    let is_inside = |x: u32, y: u32| mask.get_pixel_checked(x, y).is_some_and(|value| value.0[0] > 0);
    let rgb = |x: u32, y: u32| {
        let [r, g, b, _] = tile.get_pixel(x, y).0;
        [r, g, b]
    };
    let (mut sum, mut count) = (0.0, 0u32);
    for (x, y, _) in tile.enumerate_pixels() {
        for (nx, ny) in [(x + 1, y), (x, y + 1)] {
            if nx < tile.width() && ny < tile.height() && is_inside(x, y) != is_inside(nx, ny) {
                sum += delta_e(rgb(x, y), rgb(nx, ny));
                count += 1;
            }
        }
    }
    sum / count.max(1) as f32
}

/// Lays the ring of one tile over another one.
pub(crate) fn with_ring_of(tile: &RgbaImage, first: &RgbaImage, mask: &GrayImage) -> RgbaImage {
    RgbaImage::from_fn(tile.width(), tile.height(), |x, y| {
        let is_inside = mask.get_pixel_checked(x, y).is_some_and(|value| value.0[0] > 0);
        *if is_inside { tile.get_pixel(x, y) } else { first.get_pixel_checked(x, y).unwrap_or(tile.get_pixel(x, y)) }
    })
}

/// Draws a set of tiles. `draw` paints one at the drawing size; `tell` hears what happens.
///
/// A first tile whose own seams are seen is drawn again with the next seed, and so is a variation that does not fit to
/// the tiles before it, equals one of them, or stands in the ring as in a frame. When `tries` drawings did not help,
/// the best one is taken and mended.
///
/// # Errors
/// What `draw` returns.
pub(crate) fn draw_tileset(
    plan: TilesetPlan,
    mut draw: impl FnMut(u64, Drawing<'_>) -> anyhow::Result<RgbaImage>,
) -> anyhow::Result<Tileset> {
    let mask = inside_mask(plan.size_px);
    let mut seeds = (0..).map(|number| plan.seed.wrapping_add(number));
    let mut next_seed = move || seeds.next().unwrap_or_default();
    let mut notes = Vec::new();
    let first = first_tile(plan, &mut next_seed, &mut notes, &mut draw)?;
    let mut tiles = vec![first];
    while tiles.len() < plan.variations as usize {
        let tile = variation(plan, &tiles, &mask, &mut next_seed, &mut notes, &mut draw)?;
        tiles.push(tile);
    }
    if let Some(colors) = plan.colors {
        let images: Vec<_> = tiles.iter().map(|tile| tile.image.clone()).collect();
        let palette = Palette::reduced_jointly(&images, colors);
        for tile in &mut tiles {
            tile.image = palette.apply(&tile.image);
        }
    }
    let images: Vec<_> = tiles.iter().map(|tile| tile.image.clone()).collect();
    let pairs = check_pairs(&images)?;
    Ok(Tileset { tiles, pairs, notes })
}

fn first_tile(
    plan: TilesetPlan,
    next_seed: &mut impl FnMut() -> u64,
    notes: &mut Vec<String>,
    draw: &mut impl FnMut(u64, Drawing<'_>) -> anyhow::Result<RgbaImage>,
) -> anyhow::Result<Tile> {
    let mut best: Option<(f32, Tile)> = None;
    for _ in 0..plan.tries.max(1) {
        let seed = next_seed();
        let image = draw(seed, Drawing::Fresh)?;
        let z = Seams::of(&image).worst_z();
        let tile = Tile { image, seed };
        if z <= SEAMLESS_Z {
            return Ok(tile);
        }
        notes.push(format!("seed {seed}: its seam has a z-score of {z:.1}, above {SEAMLESS_Z:.1}"));
        if best.as_ref().is_none_or(|(best_z, _)| z < *best_z) {
            best = Some((z, tile));
        }
    }
    let (z, tile) = best.context("no tile was drawn")?;
    let repair = repair_seams(&tile.image);
    let (seed, after) = (tile.seed, repair.after.worst_z());
    notes.push(format!(
        "no seed of {} drew a tile without a seam: the best, seed {seed}, was mended from a z-score of {z:.1} to {after:.1}",
        plan.tries
    ));
    Ok(Tile { image: repair.tile, seed })
}

fn variation(
    plan: TilesetPlan,
    tiles: &[Tile],
    mask: &GrayImage,
    next_seed: &mut impl FnMut() -> u64,
    notes: &mut Vec<String>,
    draw: &mut impl FnMut(u64, Drawing<'_>) -> anyhow::Result<RgbaImage>,
) -> anyhow::Result<Tile> {
    let first = &tiles.first().context("the first tile comes before its variations")?.image;
    let first_step = frame_step(first, mask).max(LEAST_STEP);
    let mut best: Option<(f32, Tile)> = None;
    for _ in 0..plan.tries.max(1) {
        let seed = next_seed();
        let image = with_ring_of(&draw(seed, Drawing::Variation { of: first, mask })?, first, mask);
        let is_new = tiles.iter().all(|tile| tile.image != image);
        let images: Vec<_> = tiles.iter().map(|tile| tile.image.clone()).chain([image.clone()]).collect();
        let newest = tiles.len();
        let pairs = check_pairs(&images)?;
        let own = pairs.iter().filter(|pair| pair.first == newest || pair.second == newest);
        let z = own.map(|pair| pair.seams.worst_z()).fold(-MAX_SEAM_Z, f32::max);
        let frame = frame_step(&image, mask) / first_step;
        let tile = Tile { image, seed };
        let reason = match () {
            () if !is_new => "is one that is there already".to_owned(),
            () if z > SEAMLESS_Z => format!("meets another with a z-score of {z:.1}"),
            () if frame > MAX_FRAME_RATIO => {
                format!("stands in a frame, {frame:.1} times as steep as in the first tile")
            }
            () => return Ok(tile),
        };
        notes.push(format!("seed {seed}: the variation {reason}"));
        // The nearer to both limits, the better; one that is there already is only taken if there is no other.
        let badness = (z / SEAMLESS_Z).max(frame / MAX_FRAME_RATIO) + if is_new { 0.0 } else { MAX_SEAM_Z };
        if best.as_ref().is_none_or(|(least, _)| badness < *least) {
            best = Some((badness, tile));
        }
    }
    let (_, tile) = best.context("no variation was drawn")?;
    let (tries, seed) = (plan.tries, tile.seed);
    notes.push(format!("no seed of {tries} drew a variation that fits everywhere: the best, seed {seed}, is taken"));
    Ok(tile)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    /// Seamless noise with a period, or a slope that does not close.
    fn painted(seed: u64, closes: bool) -> RgbaImage {
        RgbaImage::from_fn(20, 20, |x, y| {
            let noise = (x * x * 31 + y * y * 17 + x * y * 7 + seed as u32 * (x + 3 * y)) % 41;
            let value = if closes { noise } else { x * 9 };
            Rgba([60 + value as u8, 80, 60 + (y % 4) as u8 * 9, 255])
        })
    }

    fn plan(variations: u32) -> TilesetPlan {
        TilesetPlan { size_px: 20, variations, colors: Some(12), tries: 3, seed: 10 }
    }

    #[test]
    fn variations_share_their_ring_their_palette_and_differ_inside() {
        let set = draw_tileset(plan(5), |seed, drawing| {
            assert!(seed != 10 || matches!(drawing, Drawing::Fresh));
            Ok(painted(seed, true))
        })
        .unwrap();
        assert_eq!((set.tiles.len(), set.pairs.len(), set.misfits()), (5, 25, 0));
        assert!(set.worst_z() <= SEAMLESS_Z);
        let images: Vec<_> = set.tiles.iter().map(|tile| &tile.image).collect();
        for (index, image) in images.iter().enumerate() {
            assert!((0..20).all(|at| image.get_pixel(at, 1) == images[0].get_pixel(at, 1)));
            assert!(images[..index].iter().all(|other| other != image), "{index}");
        }
        let colors: std::collections::HashSet<_> = images.iter().flat_map(|image| image.pixels()).collect();
        assert!(colors.len() <= 12);
    }

    #[test]
    fn a_picture_in_a_frame_is_no_variation() {
        let set = draw_tileset(plan(2), |seed, drawing| {
            let is_framed = matches!(drawing, Drawing::Variation { .. }) && seed < 13;
            Ok(if is_framed { RgbaImage::from_pixel(20, 20, Rgba([250, 240, 90, 255])) } else { painted(seed, true) })
        })
        .unwrap();
        assert!(
            set.notes.iter().any(|note| note.contains("seed 12: the variation stands in a frame")),
            "{:?}",
            set.notes
        );
        assert!(set.tiles[1].seed >= 13);
    }

    #[test]
    fn a_tile_with_a_seam_is_drawn_again_and_that_is_said() {
        let set = draw_tileset(plan(1), |seed, _| Ok(painted(seed, seed > 11))).unwrap();
        assert_eq!((set.tiles[0].seed, set.notes.len()), (12, 2));
        assert!(set.notes[0].contains("seed 10: its seam has a z-score of"), "{:?}", set.notes);
        let set = draw_tileset(plan(1), |seed, _| Ok(painted(seed, false))).unwrap();
        assert!(set.notes[3].contains("no seed of 3 drew a tile without a seam"), "{:?}", set.notes);
    }
}
