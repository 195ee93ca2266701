//! Frames in one image: as a grid, in a strip, or close together.

use std::collections::BTreeMap;

use image::{RgbaImage, imageops};
use pixgen_api::{SheetFrame, SheetRect, SpriteSheet};

use super::skyline::{Placed, tight};
use super::{Frame, PackError, PackedSheet, Sheet, checked_count};
use crate::error::{MAX_EDGE_PX, checked_size};
use crate::frame::{BoundingBox, bounding_box};

/// How frames lie in the sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// In cells of one size, row by row; what engines cut by numbers alone, and what Tiled reads.
    #[default]
    Grid,
    /// In cells of one size with this many columns (0 counts as 1).
    Columns(u32),
    /// Side by side in one row.
    Strip,
    /// Below each other in one column.
    Column,
    /// Without their transparent margins, close together; equal frames lie there once.
    Tight,
}

/// How a sheet is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackOptions {
    /// How frames lie.
    pub layout: Layout,
    /// Free pixels between frames.
    pub padding_px: u32,
    /// Free pixels around all of them.
    pub margin_px: u32,
    /// How far the outermost pixels of each frame are repeated outwards: at least 1 keeps neighbours from showing at
    /// the rim of tiles that are drawn scaled or at fractions of pixels.
    pub extrude_px: u32,
}

/// Packs a sheet. `image_path` is the path under which the image will be stored, relative to the description's folder.
///
/// # Errors
/// When there are no or too many frames, a frame has no pixels, names are there twice, a tag, duration or path is
/// wrong, or the image would be larger than [`MAX_EDGE_PX`].
pub fn pack(sheet: &Sheet, image_path: &str, options: &PackOptions) -> Result<PackedSheet, PackError> {
    checked_count(sheet.frames.len())?;
    if let Some(frame) = sheet.frames.iter().find(|frame| frame.image.width() == 0 || frame.image.height() == 0) {
        let size_px = [frame.image.width(), frame.image.height()];
        return Err(PackError::EmptyFrame { name: frame.name.clone(), size_px });
    }
    let cuts: Vec<BoundingBox> = sheet.frames.iter().map(|frame| cut_of(&frame.image, options.layout)).collect();
    let spots = Spots::find(&sheet.frames, &cuts, options)?;
    let mut image = RgbaImage::new(spots.size_px.0, spots.size_px.1);
    let mut frames = Vec::with_capacity(cuts.len());
    for ((frame, cut), [x, y]) in sheet.frames.iter().zip(&cuts).zip(spots.corners) {
        let pixels = imageops::crop_imm(&frame.image, cut.left_px, cut.top_px, cut.width_px, cut.height_px).to_image();
        draw(&mut image, &pixels, [x, y], options.extrude_px);
        frames.push(SheetFrame {
            name: frame.name.clone(),
            rect_px: SheetRect { x, y, width: cut.width_px, height: cut.height_px },
            source_px: [frame.image.width(), frame.image.height()],
            offset_px: [cut.left_px, cut.top_px],
            duration_ms: frame.duration_ms,
            pivot_px: frame.pivot_px,
        });
    }
    let size_px = [image.width(), image.height()];
    PackedSheet::new(image, SpriteSheet { image: image_path.to_owned(), size_px, frames, tags: sheet.tags.clone() })
}

/// The part of a frame that is packed: all of it in cells, else what is drawn. A frame without drawn pixels keeps one,
/// since many readers take a rectangle of no pixels for an error.
fn cut_of(image: &RgbaImage, layout: Layout) -> BoundingBox {
    let (width_px, height_px) = image.dimensions();
    match layout {
        Layout::Grid | Layout::Columns(_) | Layout::Strip | Layout::Column => {
            BoundingBox { left_px: 0, top_px: 0, width_px, height_px }
        }
        Layout::Tight => {
            bounding_box(image).unwrap_or(BoundingBox { left_px: 0, top_px: 0, width_px: 1, height_px: 1 })
        }
    }
}

/// Where frames lie in the sheet, and its size.
struct Spots {
    corners: Vec<[u32; 2]>,
    size_px: (u32, u32),
}

impl Spots {
    fn find(frames: &[Frame], cuts: &[BoundingBox], options: &PackOptions) -> Result<Self, PackError> {
        let (padding, margin, extrude) =
            (options.padding_px.into(), options.margin_px.into(), options.extrude_px.into());
        let spacing = Spacing { padding, margin, extrude };
        let count = cuts.len() as u64;
        let cell = |edge: fn(&BoundingBox) -> u32| cuts.iter().map(edge).max().map_or(0, u64::from);
        let cell = [cell(|cut| cut.width_px), cell(|cut| cut.height_px)];
        let columns = match options.layout {
            Layout::Grid => squarest(count, cell.map(|edge| spacing.pitch(edge))),
            Layout::Columns(columns) => u64::from(columns).clamp(1, count),
            Layout::Strip => count,
            Layout::Column => 1,
            Layout::Tight => return Self::tight(frames, cuts, spacing),
        };
        let [width, height] = [spacing.edge(columns, cell[0]), spacing.edge(count.div_ceil(columns), cell[1])];
        let size_px = checked_size(width, height)?;
        // No corner lies beyond the size just checked.
        let corner = |at: u64, edge: u64| spacing.corner(at, edge) as u32;
        let corners = (0..count).map(|at| [corner(at % columns, cell[0]), corner(at / columns, cell[1])]).collect();
        Ok(Self { corners, size_px })
    }

    fn tight(frames: &[Frame], cuts: &[BoundingBox], spacing: Spacing) -> Result<Self, PackError> {
        // Equal frames share a place: the first one with these pixels.
        let mut first_with: BTreeMap<(u32, u32, Vec<u8>), usize> = BTreeMap::new();
        let mut places: Vec<[u64; 2]> = Vec::new();
        let mut place_of: Vec<usize> = Vec::with_capacity(cuts.len());
        for (frame, cut) in frames.iter().zip(cuts) {
            let (left, top, width, height) = (cut.left_px, cut.top_px, cut.width_px, cut.height_px);
            let pixels = imageops::crop_imm(&frame.image, left, top, width, height).to_image().into_raw();
            place_of.push(*first_with.entry((width, height, pixels)).or_insert_with(|| {
                places.push([width, height].map(|edge| spacing.pitch(edge.into())));
                places.len() - 1
            }));
        }
        // Every place has its padding on the right and below: the sheet has that once too much.
        let outer = 2 * spacing.margin;
        let too_large = || {
            // What the frames would take at best.
            let area: u64 = places.iter().map(|place| place[0].saturating_mul(place[1])).fold(0, u64::saturating_add);
            let edge = (area as f64).sqrt().ceil() as u64;
            let widest = |axis: usize| places.iter().map(|place| place[axis]).max().unwrap_or(0);
            let (width_px, height_px) = (edge.max(widest(0)) + outer, edge.max(widest(1)) + outer);
            crate::ArtError::TooLarge { width_px, height_px }
        };
        let room = (u64::from(MAX_EDGE_PX) + spacing.padding).checked_sub(outer).and_then(|room| room.try_into().ok());
        let sizes: Option<Vec<[u32; 2]>> =
            places.iter().map(|place| Some([place[0].try_into().ok()?, place[1].try_into().ok()?])).collect();
        let placed = room.zip(sizes.as_ref()).and_then(|(room, sizes)| tight(sizes, room));
        let Placed { corners, size } = placed.ok_or_else(too_large)?;
        let edge = |edge: u32| u64::from(edge) + outer - spacing.padding;
        let size_px = checked_size(edge(size[0]), edge(size[1]))?;
        let inset = spacing.margin + spacing.extrude;
        let corner = |place: usize| corners[place].map(|at| (u64::from(at) + inset) as u32);
        Ok(Self { corners: place_of.into_iter().map(corner).collect(), size_px })
    }
}

/// The free and repeated pixels around frames. 64-bit, so that no sum of 32-bit numbers runs over.
#[derive(Clone, Copy)]
struct Spacing {
    padding: u64,
    margin: u64,
    extrude: u64,
}

impl Spacing {
    /// From the start of one cell to that of the next.
    fn pitch(self, edge: u64) -> u64 {
        edge + 2 * self.extrude + self.padding
    }

    /// Where the frame in a cell begins.
    fn corner(self, index: u64, edge: u64) -> u64 {
        self.margin + self.extrude + index * self.pitch(edge)
    }

    /// Edge of a sheet of `count` cells.
    fn edge(self, count: u64, edge: u64) -> u64 {
        2 * self.margin + count * self.pitch(edge) - self.padding
    }
}

/// The number of columns with which the longer edge of the sheet is shortest; the fewest of several such.
fn squarest(count: u64, pitch: [u64; 2]) -> u64 {
    (1..=count).min_by_key(|columns| (columns * pitch[0]).max(count.div_ceil(*columns) * pitch[1])).unwrap_or(1)
}

/// Draws a frame with its rim repeated outwards.
fn draw(sheet: &mut RgbaImage, frame: &RgbaImage, [left, top]: [u32; 2], extrude: u32) {
    let (width, height) = frame.dimensions();
    for y in top - extrude..top + height + extrude {
        for x in left - extrude..left + width + extrude {
            let inside = |at: u32, start: u32, length: u32| at.clamp(start, start + length - 1) - start;
            sheet.put_pixel(x, y, *frame.get_pixel(inside(x, left, width), inside(y, top, height)));
        }
    }
}
