//! From a picture that looks like pixel art back to the pixels: grid, kernel, cells.
//!
//! A picture of a sprite is the sprite convolved with a kernel, sampled on another grid, blurred and compressed. All of
//! that but the last is linear, and along each axis on its own, so that it can be inverted by least squares once pitch,
//! offset, kernel and blur are known; and those are known when the inverted cells, rendered again, give the picture.

mod detect;
mod fit;
mod invert;
mod kernel;
mod lattice;
mod planes;
mod solve;
mod spectrum;

use std::collections::HashSet;

use image::RgbaImage;
pub use kernel::Kernel;
use planes::Planes;

use crate::ArtError;
use crate::alpha::{OPAQUE_FROM, binary_alpha};
use crate::palette::merge_noise;
use crate::scale::whole_factor;

/// Colours of cells that lie nearer than this are one: what noise, JPEG and inversion together move a cell's colour by.
pub const CELL_NOISE_DELTA_E: f32 = 0.03;

/// The sprite that a picture shows: its grid is found, its cells are solved for, and colours that differ by noise only
/// become one.
///
/// An image that is pixel art already should not be given here: see [`sprite_of`].
///
/// # Errors
/// When the picture cannot have a grid of this size; never for [`GridSize::Unknown`].
pub fn restore(image: &RgbaImage, size: GridSize) -> Result<RgbaImage, ArtError> {
    size.check(image)?;
    let planes = Planes::new(image);
    let grid = detect::detect(&planes, size);
    Ok(merge_noise(&grid.sprite(image, &planes), CELL_NOISE_DELTA_E))
}

/// Most colours of an image that is taken for pixel art as it is.
const CLEAN_COLORS: usize = 256;

/// The sprite that any image shows, whether it is one already or a picture of one.
///
/// An image with at most 256 colours and alpha of 0 and 255 only is pixel art: it is left alone, but for a whole
/// factor by which it was enlarged without blur. So is one with more colours that no grid of larger cells explains (a
/// texture), but for alpha between 0 and 255. Everything else goes through [`restore`].
#[must_use]
pub fn sprite_of(image: &RgbaImage) -> RgbaImage {
    let has_clean_alpha = image.pixels().all(|pixel| matches!(pixel.0[3], 0 | u8::MAX));
    if has_clean_alpha && has_few_colors(image) {
        let factor = whole_factor(image);
        let (width, height) = (image.width() / factor, image.height() / factor);
        return RgbaImage::from_fn(width, height, |x, y| *image.get_pixel(x * factor, y * factor));
    }
    let planes = Planes::new(image);
    let grid = detect::detect(&planes, GridSize::Unknown);
    let sprite = grid.sprite(image, &planes);
    // Colours of an image at scale 1 are its own, not noise.
    if grid.is_of_pixels() { sprite } else { merge_noise(&sprite, CELL_NOISE_DELTA_E) }
}

/// Whether an image has at most [`CLEAN_COLORS`] colours, counted no further than that.
fn has_few_colors(image: &RgbaImage) -> bool {
    let mut colors = HashSet::new();
    image.pixels().all(|pixel| {
        colors.insert(pixel.0);
        colors.len() <= CLEAN_COLORS
    })
}

/// What is known about the grid of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GridSize {
    /// Nothing: pitch and offset are found.
    #[default]
    Unknown,
    /// The sprite has this many pixels; along each axis not more than the picture.
    Cells {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// One sprite pixel has this many picture pixels, whole or not.
    Scale {
        /// Width of a sprite pixel.
        x_px: f32,
        /// Height of a sprite pixel.
        y_px: f32,
    },
}

impl GridSize {
    /// Refuses what no picture of this size can have.
    fn check(self, image: &RgbaImage) -> Result<(), ArtError> {
        let image_px = [image.width(), image.height()];
        let (fits, asked, expected) = match self {
            Self::Unknown => return Ok(()),
            Self::Cells { width, height } => (
                (1..=image_px[0]).contains(&width) && (1..=image_px[1]).contains(&height),
                format!("{width}×{height} cells"),
                "at least one cell and at most one a picture pixel on each axis",
            ),
            Self::Scale { x_px, y_px } => (
                // NaN is in no range.
                (1.0..=image_px[0] as f32).contains(&x_px) && (1.0..=image_px[1] as f32).contains(&y_px),
                format!("cells of {x_px}×{y_px} px"),
                "cells of at least 1 px and at most the picture's size on each axis",
            ),
        };
        if fits { Ok(()) } else { Err(ArtError::Grid { image_px, asked, expected }) }
    }
}

/// The cells along one axis of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Edge of a cell, in picture pixels.
    pub pitch_px: f32,
    /// Where the first cell begins; negative when the picture cuts it. Without drift.
    pub origin_px: f32,
    /// Number of cells.
    pub cells: u32,
    /// Where each pixel centre lies, in cells from the start of the first; drift is in it.
    pub coordinates: Vec<f32>,
}

impl Axis {
    /// How far the cells wander from an even grid at most, in picture pixels.
    #[must_use]
    pub fn drift_px(&self) -> f32 {
        let even = |x: usize| (x as f32 + 0.5 - self.origin_px) / self.pitch_px;
        let wander = self.coordinates.iter().enumerate().map(|(x, at)| (at - even(x)).abs());
        wander.fold(0.0, f32::max) * self.pitch_px
    }
}

/// The grid of a picture and how its cells were spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Columns.
    pub x: Axis,
    /// Rows.
    pub y: Axis,
    /// The interpolation that explains the picture best.
    pub kernel: Kernel,
    /// Standard deviation of the blur, in cells.
    pub blur_cells: f32,
    /// Root mean square of what the grid does not explain, averaged over lines, 0 to 1.
    pub noise: f32,
    /// Share of the picture's variance that the grid explains on its worse axis, 0 to 1. Found grids explain 0.9 or more;
    /// where none does, every pixel is a cell.
    pub confidence: f32,
}

impl Grid {
    /// Finds the grid of a picture.
    ///
    /// # Errors
    /// When the picture cannot have a grid of this size; never for [`GridSize::Unknown`].
    pub fn detect(image: &RgbaImage, size: GridSize) -> Result<Self, ArtError> {
        size.check(image)?;
        Ok(detect::detect(&Planes::new(image), size))
    }

    /// The sprite on this grid, by least squares.
    ///
    /// Alpha of the result is 0 or 255: a cell is drawn when half of it is.
    ///
    /// # Errors
    /// When the image has another size than the one that the grid was found on.
    pub fn invert(&self, image: &RgbaImage) -> Result<RgbaImage, ArtError> {
        let size = [&self.x, &self.y].map(|axis| axis.coordinates.len());
        let found = [image.width(), image.height()];
        if size != found.map(|edge| edge as usize) {
            return Err(ArtError::OtherImage { grid_px: size, image_px: found });
        }
        Ok(self.sprite(image, &Planes::new(image)))
    }

    /// Every pixel a cell.
    fn of_pixels(width: usize, height: usize) -> Self {
        let axis = |places: usize| Axis {
            pitch_px: 1.0,
            origin_px: 0.0,
            cells: places.max(1) as u32,
            coordinates: (0..places).map(|x| x as f32 + 0.5).collect(),
        };
        let (x, y) = (axis(width), axis(height));
        Self { x, y, kernel: Kernel::Nearest, blur_cells: 0.0, noise: 0.0, confidence: 1.0 }
    }

    /// Whether every pixel is a cell: the picture is at scale 1.
    #[must_use]
    pub fn is_of_pixels(&self) -> bool {
        let is_of_pixels = |axis: &Axis| axis.cells as usize == axis.coordinates.len() && axis.pitch_px == 1.0;
        is_of_pixels(&self.x) && is_of_pixels(&self.y) && self.kernel == Kernel::Nearest
    }

    fn sprite(&self, image: &RgbaImage, planes: &Planes) -> RgbaImage {
        if self.is_of_pixels() {
            return binary_alpha(image, OPAQUE_FROM);
        }
        invert::Inversion::new(planes, self).sprite(self)
    }
}
