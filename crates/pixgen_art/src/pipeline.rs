//! From decoded pictures to sprites: the ordered steps, configured by [`PixelArt`], each of them timed.
//!
//! Several pictures go through together, so that the frames of a sheet share one palette. The steps behind the scaling
//! are repeated until they change nothing, nearly always once: so a sprite that comes out is left alone when it goes in
//! again with a scale of 1, whatever the options.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use image::RgbaImage;
use pixgen_api::{Anchor, Background, Dither, Downscale, MAX_COLORS, OutlineEdit, PaletteSource, PixelArt, Scale};

use crate::alpha::{OPAQUE_FROM, binary_alpha, opaque, remove_specks};
use crate::background::{BackgroundOptions, despill, remove_background};
use crate::clean::{edit_outline, smooth_jaggies, symmetric};
use crate::dither::dither;
use crate::downscale::{Cells, center, content_adaptive, k_centroid, majority, median};
use crate::error::ArtError;
use crate::frame::anchored;
use crate::outline::remove_orphans;
use crate::palette::format::{Format, MAX_FILE_BYTES};
use crate::palette::{Classic, Palette};
use crate::restore::{CELL_NOISE_DELTA_E, Grid, GridSize, sprite_of};
use crate::{merge_noise, scale};

/// Orphans that differ from all their neighbours by more than this stay: eyes and sparkles.
const KEEP_ORPHAN_DELTA_E: f32 = 0.2;

/// Rounds of all steps behind the scaling at most, and four more for every pixel of the longest edge. Two are the rule,
/// the second to see that nothing changes any more; a thin figure that is mirrored, outlined and anchored may grow by a
/// pixel each.
const MAX_ROUNDS: u32 = 64;

/// What a run of the pipeline gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The sprites, in the order of the pictures.
    pub images: Vec<RgbaImage>,
    /// The time that each step took, in order; all rounds of a step together.
    pub steps: Vec<(&'static str, Duration)>,
}

/// The way from pictures to sprites, with its options checked and its palette read.
#[derive(Clone, Debug)]
pub struct Pipeline {
    options: PixelArt,
    palette: Option<Palette>,
}

impl Pipeline {
    /// A pipeline with these options. A palette file is read here.
    ///
    /// # Errors
    /// When an option is out of its range or the palette cannot be had.
    pub fn new(options: &PixelArt) -> Result<Self, ArtError> {
        options.validate()?;
        let palette = given_palette(&options.palette)?;
        let mut options = options.clone();
        if let (Some(palette), OutlineEdit::Add { color, .. } | OutlineEdit::Recolor { color }) =
            (&palette, &mut options.outline)
        {
            color.0 = palette.nearest(color.0).unwrap_or(color.0);
        }
        Ok(Self { options, palette })
    }

    /// Makes one sprite.
    ///
    /// # Errors
    /// When the sprite should be larger than its picture.
    pub fn run(&self, picture: &RgbaImage) -> Result<RgbaImage, ArtError> {
        Ok(self.run_jointly([picture])?.images.pop().unwrap_or_default())
    }

    /// Makes sprites with one palette for all, and says how long each step took.
    ///
    /// # Errors
    /// When a sprite should be larger than its picture.
    pub fn run_jointly<'a>(&self, pictures: impl IntoIterator<Item = &'a RgbaImage>) -> Result<Finished, ArtError> {
        let mut clock = Clock::default();
        let pictures = pictures.into_iter();
        let mut images: Vec<RgbaImage> =
            clock.time("scale", || pictures.map(|picture| self.scaled(picture)).collect::<Result<_, _>>())?;
        self.settle(&mut images, &mut clock);
        Ok(Finished { images, steps: clock.steps })
    }

    /// Every step behind the scaling, until nothing changes any more.
    ///
    /// Options that undo each other (an outline taken off, and transparent pixels filled because the background stays)
    /// may go round and round instead. Then it is the least of the images they pass through, byte by byte, so that the
    /// same comes out whichever of them is given (Brent's way of finding a cycle: its start is put further and further).
    fn settle(&self, images: &mut Vec<RgbaImage>, clock: &mut Clock) {
        let longest = images.iter().map(|image| image.width().max(image.height())).max().unwrap_or(0);
        let (mut start, mut least) = (images.clone(), images.clone());
        let (mut steps, mut length) = (0u32, 1u32);
        for _ in 0..MAX_ROUNDS.saturating_add(longest.saturating_mul(4)) {
            let before = images.clone();
            self.finish(images, clock);
            if *images == before {
                return;
            }
            if images.iter().map(|image| image.as_raw()).lt(least.iter().map(|image| image.as_raw())) {
                least.clone_from(images);
            }
            if *images == start {
                *images = least;
                return;
            }
            steps += 1;
            if steps == length {
                (start, least) = (images.clone(), images.clone());
                (steps, length) = (0, length.saturating_mul(2));
            }
        }
    }

    /// Every step behind the scaling, once. The order matters: alpha is decided before colours are counted, so that
    /// invisible pixels take no place in the palette; specks are gone before the figure's size is measured; the outline
    /// is drawn around the shape that stays.
    fn finish(&self, images: &mut [RgbaImage], clock: &mut Clock) {
        let options = &self.options;
        let mut step = |name, is_on: bool, change: &dyn Fn(&RgbaImage) -> RgbaImage| {
            if is_on {
                clock.time(name, || images.iter_mut().for_each(|image| *image = change(image)));
            }
        };
        let is_cut_out = matches!(options.background, Background::Remove | Background::KeyColor(_));
        step("background", is_cut_out, &|image| self.without_background(image));
        let is_opaque = options.background == Background::Keep;
        step("alpha", true, &|image| if is_opaque { opaque(image) } else { binary_alpha(image, OPAQUE_FROM) });
        step("specks", options.specks_px > 0, &|image| remove_specks(image, options.specks_px as usize));
        clock.time("colours", || self.recolor(images));
        let mut step = |name, is_on: bool, change: &dyn Fn(&RgbaImage) -> RgbaImage| {
            if is_on {
                clock.time(name, || images.iter_mut().for_each(|image| *image = change(image)));
            }
        };
        step("orphans", options.orphans, &|image| remove_orphans(image, KEEP_ORPHAN_DELTA_E));
        step("jaggies", options.jaggies, &smooth_jaggies);
        step("symmetry", options.symmetry != pixgen_api::Symmetry::None, &|i| symmetric(i, options.symmetry));
        // Once before the outline, which needs room around the figure, and once for the figure with its outline.
        let anchor = options.anchor.unwrap_or(Anchor::Keep);
        step("anchor", anchor != Anchor::Keep, &|image| anchored(image, anchor));
        step("outline", options.outline != OutlineEdit::Keep, &|image| edit_outline(image, &options.outline));
        step("anchor", anchor != Anchor::Keep, &|image| anchored(image, anchor));
    }

    /// The picture at the sprite's size.
    fn scaled(&self, picture: &RgbaImage) -> Result<RgbaImage, ArtError> {
        let size = picture.dimensions();
        let (cells, grid_size) = match self.options.scale {
            Scale::Auto => (None, GridSize::Unknown),
            Scale::Factor(factor) if factor <= 1.0 => return Ok(picture.clone()),
            Scale::Factor(factor) => {
                (Some(Cells::by_factor(size, factor)), GridSize::Scale { x_px: factor, y_px: factor })
            }
            Scale::Size { width_px, height_px } if width_px > size.0 || height_px > size.1 => {
                return Err(ArtError::LargerThanPicture {
                    sprite_px: [width_px, height_px],
                    picture_px: [size.0, size.1],
                });
            }
            Scale::Size { width_px, height_px } if (width_px, height_px) == size => return Ok(picture.clone()),
            Scale::Size { width_px: width, height_px: height } => {
                (Some(Cells::by_size(size, (width, height))), GridSize::Cells { width, height })
            }
        };
        let is_known_factor = matches!(self.options.scale, Scale::Factor(_));
        let method = match self.options.downscale {
            Downscale::Auto if is_known_factor => Downscale::KCentroid,
            Downscale::Auto => Downscale::Restore,
            method => method,
        };
        if method == Downscale::Restore {
            return Ok(match grid_size {
                GridSize::Unknown => sprite_of(picture),
                known => merge_noise(&Grid::detect(picture, known)?.invert(picture)?, CELL_NOISE_DELTA_E),
            });
        }
        let cells = match cells {
            Some(cells) => cells,
            None if is_pixel_art(picture) => Cells::by_factor(size, scale::whole_factor(picture) as f32),
            None => Cells::of_grid(&Grid::detect(picture, GridSize::Unknown)?),
        };
        let bias = self.options.outline_bias;
        Ok(match method {
            Downscale::Majority => majority(picture, &cells, bias),
            Downscale::Center => center(picture, &cells),
            Downscale::Median => median(picture, &cells),
            Downscale::ContentAdaptive => content_adaptive(picture, &cells, bias),
            Downscale::KCentroid | Downscale::Auto | Downscale::Restore => k_centroid(picture, &cells, bias),
        })
    }

    fn without_background(&self, image: &RgbaImage) -> RgbaImage {
        let key = match self.options.background {
            Background::KeyColor(color) => Some(color.0),
            Background::Auto | Background::Keep | Background::Remove => None,
        };
        let cut = remove_background(image, &BackgroundOptions { tolerance: None, holes: self.options.holes, key });
        if self.options.despill && cut != *image { despill(image, &cut) } else { cut }
    }

    /// Puts all sprites in the colours of one palette.
    fn recolor(&self, images: &mut [RgbaImage]) {
        let options = &self.options;
        let most = options.colors.unwrap_or(MAX_COLORS);
        let palette = match (&self.palette, options.outline) {
            (Some(palette), _) => palette.clone(),
            (None, _) if options.palette == PaletteSource::Auto => {
                let room = u32::from(matches!(options.outline, OutlineEdit::Add { .. } | OutlineEdit::Recolor { .. }));
                Palette::automatic(images.iter(), most - room)
            }
            (None, OutlineEdit::Add { color, .. } | OutlineEdit::Recolor { color }) => {
                Palette::reduced_beside(images.iter(), most, color.0)
            }
            (None, OutlineEdit::Keep | OutlineEdit::Remove) => Palette::reduced_jointly(images.iter(), most),
        };
        if options.ramps && options.dither == Dither::None {
            images.clone_from_slice(&palette.apply_in_order(images));
            return;
        }
        for image in images {
            *image = dither(image, &palette, options.dither, options.dither_strength);
        }
    }
}

/// Makes a sprite of a picture: [`Pipeline::run`] with these options.
///
/// It leaves its own results alone: with a scale of 1 the second time, `fix(fix(x)) == fix(x)`.
///
/// # Errors
/// When an option is out of its range, the palette cannot be had, or the sprite should be larger than the picture.
pub fn fix(picture: &RgbaImage, options: &PixelArt) -> Result<RgbaImage, ArtError> {
    Pipeline::new(options)?.run(picture)
}

/// Whether an image is a sprite already, or one enlarged by a whole factor: few colours, alpha of 0 and 255.
fn is_pixel_art(image: &RgbaImage) -> bool {
    image.pixels().all(|pixel| matches!(pixel.0[3], 0 | u8::MAX)) && Palette::of(image).len() <= MAX_COLORS as usize
}

/// The palette that the options give; `None` where the picture's own colours are used.
fn given_palette(source: &PaletteSource) -> Result<Option<Palette>, ArtError> {
    Ok(match source {
        PaletteSource::Own | PaletteSource::Auto => None,
        PaletteSource::Colors(colors) => Some(Palette::new(colors.iter().map(|color| color.0))),
        PaletteSource::Named(name) => match Classic::find(name) {
            Some(classic) => Some(Palette::new(classic.colors())),
            None => {
                let known = Classic::ALL.map(|classic| classic.name).join(", ");
                return Err(ArtError::UnknownPalette { name: name.clone(), known });
            }
        },
        PaletteSource::File(path) => Some(Palette::new(read_palette(path)?)),
    })
}

/// The colours of a palette file.
fn read_palette(path: &Path) -> Result<Vec<[u8; 3]>, ArtError> {
    let name = || path.display().to_string();
    // A pipe would keep its reader waiting.
    if path.exists() && !path.is_file() {
        return Err(ArtError::PaletteRead { path: name(), reason: "it is no file; choose another path".to_owned() });
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too large from one that just fits.
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|e| ArtError::PaletteRead { path: name(), reason: e.to_string() })?;
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let colors = Format::detect(&bytes, &extension).and_then(|format| format.parse(&bytes));
    colors.map_err(|source| ArtError::PaletteFile { path: name(), source })
}

/// The times of the steps so far.
#[derive(Debug, Default)]
struct Clock {
    steps: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let taken = start.elapsed();
        match self.steps.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += taken,
            None => self.steps.push((name, taken)),
        }
        result
    }
}
