//! One palette for all sprites of a batch. They are drawn with colours of their own and wait beside the journal until
//! the last one is there; then the palette is chosen, once and for all, and they are put in place in its colours.

use std::path::{Path, PathBuf};

use anyhow::Context;
use image::RgbaImage;
use pixgen_api::{HexColor, MAX_COLORS, MIN_COLORS, PaletteSource};
use pixgen_art::Palette;
use pixgen_art::palette::format::Format;

use crate::drawing::load_png;
use crate::exit::usage;
use crate::joint_colors::{JointColors, MAX_HELD_BYTES};
use crate::names::{make_folder, write_over_from};
use crate::palettes;
use crate::png_text::with_request;

/// The palette of a batch.
#[derive(Debug)]
pub(crate) struct JointPalette {
    folder: PathBuf,
    /// Where files are begun.
    work: PathBuf,
    colors: u32,
    palette: Palette,
}

impl JointPalette {
    /// Whether there can be such a palette.
    ///
    /// # Errors
    /// When the number of colours is out of range.
    pub(crate) fn check(colors: u32) -> anyhow::Result<()> {
        if (MIN_COLORS..=MAX_COLORS).contains(&colors) {
            return Ok(());
        }
        Err(usage(format!("joint-palette is {colors}, expected {MIN_COLORS} to {MAX_COLORS}")))
    }

    /// A palette of at most `colors` colours, with its files in `data`; they are begun in `work`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new(data: &Path, work: &Path, colors: u32) -> anyhow::Result<Self> {
        let folder = data.join("raw");
        make_folder(&folder)?;
        Ok(Self { folder, work: work.to_owned(), colors, palette: Palette::default() })
    }

    /// Where a sprite waits.
    pub(crate) fn raw(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.png"))
    }

    /// Chooses the palette over all sprites that wait. A batch that had one already keeps it, so that lines which were
    /// added later fit to the others.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn choose(&mut self, names: &[String]) -> anyhow::Result<()> {
        let file = self.folder.join(format!("joint-{}.hex", self.colors));
        if file.is_file() {
            self.palette = Palette::new(palettes::read(&file)?);
            return Ok(());
        }
        let mut colors = JointColors::new(MAX_HELD_BYTES);
        for raw in names.iter().map(|name| self.raw(name)).filter(|raw| raw.is_file()) {
            colors.add(load_png(&raw)?);
        }
        self.palette = colors.palette(|sprites| Palette::reduced_jointly(sprites, self.colors));
        if !self.palette.is_empty() {
            write_over_from(&self.work, &file, &Format::Hex.write(self.palette.colors())?)?;
        }
        Ok(())
    }

    /// A sprite in the colours of the palette: the PNG, whose request names them, and its pixels.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn coloured(&self, raw: &Path) -> anyhow::Result<(Vec<u8>, RgbaImage)> {
        let png = std::fs::read(raw).with_context(|| format!("reading {}", raw.display()))?;
        let sprite = self.palette.apply(&load_png(raw)?);
        let colors = self.palette.colors().iter().copied().map(HexColor).collect();
        let png = with_request(&png, &sprite, |request| request.pixel_art.palette = PaletteSource::Colors(colors))?;
        Ok((png, sprite))
    }
}
