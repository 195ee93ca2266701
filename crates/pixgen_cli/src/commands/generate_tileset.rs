//! `dgx-pixels generate-tileset`: tiles that repeat without a seam, and variations that all fit to each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image::{RgbaImage, imageops};
use pixgen_api::{HexColor, Kind, PaletteSource, Request};
use pixgen_art::export::{ExportOptions, SheetFormat, export};
use pixgen_art::scale::enlarge;
use pixgen_art::sheet::{DEFAULT_FRAME_MS, Frame, Layout, PackOptions, Sheet, pack};
use pixgen_art::tile::SEAMLESS_Z;
use pixgen_art::{MAX_EDGE_PX, Metrics, Palette};

use crate::context::Context;
use crate::drawing::{Observer, fresh_seed, rgba};
use crate::events::{Report, Role};
use crate::exit::{Exit, usage};
use crate::names::{FileSet, folder_and_stem, is_png, make_folder, write_numbered};
use crate::options::{DrawOptions, SeamlessAxes};
use crate::picture::png;
use crate::png_text::with_request;
use crate::preview;
use crate::session::{Session, SessionConfig, preflight, stored_png};
use crate::tileset::{Drawing, TilesetPlan, draw_tileset};

/// Most tiles of one set.
const MAX_VARIATIONS: u32 = 64;

/// How the tiles lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TileLayout {
    /// A PNG, a .sheet.ron and a .tsx for each tile.
    Single,
    /// Side by side in one row.
    Strip,
    /// In rows and columns, as square as it goes.
    #[default]
    Grid,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels generate-tileset --prompt \"stone dungeon floor\" --size 32 --seamless --variations 8\n\
\x20 dgx-pixels generate-tileset --prompt \"deep water\" --variations 4 --layout strip --floor 10\n\
\x20 dgx-pixels generate-tileset --prompt \"a wooden fence\" --seamless=x --output tiles/fence.png")]
pub(crate) struct Arguments {
    /// What the tiles show, in English words.
    #[arg(long, required_unless_present = "recipe", help_heading = "Tiles")]
    prompt: Option<String>,
    /// How many tiles; all of them fit to each other.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Tiles")]
    variations: u32,
    /// Along which axes the tiles repeat without a seam.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_value = "both",
          default_missing_value = "both", value_name = "AXES", help_heading = "Tiles")]
    seamless: SeamlessAxes,
    /// How the tiles lie in the picture.
    #[arg(long, value_enum, default_value_t, help_heading = "Tiles")]
    layout: TileLayout,
    /// Drawings of a tile before the best is taken.
    #[arg(long, value_name = "N", default_value_t = 12, help_heading = "Tiles")]
    tries: u32,
    #[command(flatten)]
    pub(crate) options: DrawOptions,
    /// A PNG to write, or a folder [default: ./output/PROMPT.png]. Beside it are PROMPT.sheet.ron and PROMPT.tsx.
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Also draw a floor of N×N tiles at random, to see them side by side: PROMPT-floor.png.
    #[arg(long, value_name = "N", help_heading = "Output")]
    floor: Option<u32>,
    /// Show the tiles in the terminal.
    #[arg(long, help_heading = "Output")]
    preview: bool,
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    if !(1..=MAX_VARIATIONS).contains(&arguments.variations) {
        let found = arguments.variations;
        return Err(usage(format!("variations is {found}, expected 1 to {MAX_VARIATIONS}")));
    }
    if arguments.tries == 0 {
        return Err(usage("tries is 0, expected 1 or more"));
    }
    let request = arguments.options.request(context, Some(Kind::Tile), arguments.prompt.as_deref())?;
    let device = context.settings.device()?;
    let (_, native) = preflight(&request, device)?;
    let size_px = request.size_px;
    arguments.floor.map_or(Ok(0), |edge| floor_px(edge, size_px))?;
    for warning in &native.warnings {
        context.printer.warning(warning);
    }
    let (folder, stem) = folder_and_stem(arguments.output.as_deref(), context.settings.path("output"), &request.prompt);
    make_folder(&folder)?;
    // Tiles are drawn, joined and measured at the size that the model draws, and enlarged at the end.
    let request = Request {
        size_px: native.native_size_px,
        seamless: arguments.seamless.into(),
        seed: Some(request.seed.unwrap_or_else(fresh_seed)),
        count: 1,
        ..request
    };
    let tileset_plan = TilesetPlan {
        size_px: native.native_size_px,
        variations: arguments.variations,
        colors: request.pixel_art.colors,
        tries: arguments.tries,
        seed: request.seed.unwrap_or_default(),
    };
    let session = Session::start(SessionConfig::of(&context.settings, 1, None)?)?;
    let mut painter = Painter::new(context, session, request)?;
    let set = draw_tileset(tileset_plan, |seed, drawing| painter.draw(seed, &drawing))?;
    let printer = &context.printer;
    for note in &set.notes {
        printer.note(note);
    }
    let (pairs, worst) = (set.pairs.len(), set.worst_z());
    printer.note(&format!(
        "{pairs} pairs on both axes: the steepest seam has a z-score of {worst:.2}, the limit is {SEAMLESS_Z:.1}"
    ));
    let images: Vec<RgbaImage> =
        set.tiles.iter().map(|tile| enlarge(&tile.image, native.enlarge)).collect::<Result<_, _>>()?;
    // What the set says about itself is how its first tile was drawn, at the size that was asked for.
    let first_seed = set.tiles.first().map_or(tileset_plan.seed, |tile| tile.seed);
    let said = painter.fresh.get(&first_seed).ok_or_else(|| anyhow::anyhow!("the engine returned no tile"))?;
    let written = write(arguments.layout, &folder, &stem, &images, said, size_px)?;
    for (path, (width, height)) in &written {
        let role = if is_png(path) { Role::Tileset } else { Role::Sidecar };
        let size = is_png(path).then_some((*width, *height));
        printer.wrote_picture(path, role, is_png(path).then_some(first_seed), size);
    }
    if let Some(edge) = arguments.floor {
        let floor = random_floor(&images, edge, tileset_plan.seed)?;
        let path = write_numbered(&folder.join(format!("{stem}-floor.png")), &png(&floor)?)?;
        printer.wrote_picture(&path, Role::Preview, None, Some(floor.dimensions()));
    }
    for (path, image) in written.iter().map(|(path, _)| path).zip(&images).take(1) {
        printer.event(&Report::measured(path, &Metrics::of(image)));
    }
    if arguments.preview {
        for image in &images {
            preview::show(image, context);
        }
    }
    if set.misfits() > 0 {
        printer
            .warning(&format!("{} pairs have a seam that is seen: try another --seed, or more --tries", set.misfits()));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Success)
}

/// The edge of a floor of `edge` tiles, in pixels.
fn floor_px(edge: u32, tile_px: u32) -> anyhow::Result<u32> {
    let px = edge.checked_mul(tile_px).filter(|px| (1..=MAX_EDGE_PX).contains(px));
    px.ok_or_else(|| {
        usage(format!("floor is {edge}, expected 1 to {} for tiles of {tile_px} px", MAX_EDGE_PX / tile_px.max(1)))
    })
}

/// A floor of `edge`×`edge` tiles at random, the same ones for the same seed.
fn random_floor(tiles: &[RgbaImage], edge: u32, seed: u64) -> anyhow::Result<RgbaImage> {
    let (width, height) = tiles.first().map(RgbaImage::dimensions).unwrap_or_default();
    let mut floor = RgbaImage::new(floor_px(edge, width)?, floor_px(edge, height)?);
    for place in 0..u64::from(edge) * u64::from(edge) {
        let tile = &tiles[(mixed(seed.wrapping_add(place)) % tiles.len() as u64) as usize];
        let (x, y) = (place % u64::from(edge), place / u64::from(edge));
        imageops::replace(&mut floor, tile, x as i64 * i64::from(width), y as i64 * i64::from(height));
    }
    Ok(floor)
}

/// A number that follows from another one without a visible rule (SplitMix64, Steele et al. 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws tiles with one engine.
struct Painter<'a> {
    context: &'a Context,
    session: Session,
    request: Request,
    /// Where the first tile and the mask are put for the engine to read.
    work: tempfile::TempDir,
    /// The PNGs of what was drawn from noise alone, with what they say about themselves, by seed.
    fresh: HashMap<u64, Vec<u8>>,
}

impl<'a> Painter<'a> {
    fn new(context: &'a Context, session: Session, request: Request) -> anyhow::Result<Self> {
        let work = tempfile::tempdir()?;
        Ok(Self { context, session, request, work, fresh: HashMap::new() })
    }

    fn draw(&mut self, seed: u64, drawing: &Drawing<'_>) -> anyhow::Result<RgbaImage> {
        let mut request = Request { seed: Some(seed), ..self.request.clone() };
        if let Drawing::Variation { of, mask } = drawing {
            let (of_file, mask_file) = (self.work.path().join("first.png"), self.work.path().join("mask.png"));
            std::fs::write(&of_file, png(of)?)?;
            mask.save(&mask_file)?;
            request.init_image = Some(of_file);
            request.mask = Some(mask_file);
            request.strength = Some(1.0);
        }
        let item = format!("{}, seed {seed}", request.prompt);
        let observer = Observer::new(self.context, &item, 1);
        let images = self.session.draw(request, &mut |event| {
            observer.observe(event);
            Ok(())
        })?;
        let image = images.first().ok_or_else(|| anyhow::anyhow!("the engine returned no tile"))?;
        if matches!(drawing, Drawing::Fresh) {
            self.fresh.insert(seed, stored_png(image)?);
        }
        rgba(&image.pixels)
    }
}

/// Writes the set; every file with the size of its picture.
fn write(
    layout: TileLayout,
    folder: &Path,
    stem: &str,
    images: &[RgbaImage],
    said: &[u8],
    size_px: u32,
) -> anyhow::Result<Vec<(PathBuf, (u32, u32))>> {
    let sheets: Vec<(String, &[RgbaImage])> = match layout {
        TileLayout::Single => {
            let name = |index: usize| if images.len() == 1 { stem.to_owned() } else { format!("{stem}-{}", index + 1) };
            (0..images.len()).map(|index| (name(index), &images[index..=index])).collect()
        }
        TileLayout::Strip | TileLayout::Grid => vec![(stem.to_owned(), images)],
    };
    let layout = if layout == TileLayout::Strip { Layout::Strip } else { Layout::Columns(columns(images.len())) };
    let options = PackOptions { layout, ..PackOptions::default() };
    let colors: Vec<_> = images.iter().flat_map(|image| Palette::of(image).colors().to_vec()).collect();
    let colors: Vec<_> = Palette::new(colors).colors().iter().copied().map(HexColor).collect();
    let mut written = Vec::new();
    for (stem, images) in sheets {
        let mut size = (0, 0);
        let files = FileSet::new(folder, stem).write(|name| {
            let packed = pack(&sheet_of(name, images), &format!("{name}.png"), &options)?;
            size = packed.image.dimensions();
            // The packed picture says how its first tile was drawn, and in which colours all of them are.
            let picture = with_request(said, &packed.image, |request| {
                request.pixel_art.palette = PaletteSource::Colors(colors.clone());
                request.size_px = size_px;
            })?;
            let named = ExportOptions { name: name.to_owned(), ..ExportOptions::default() };
            let ron = export(&packed, SheetFormat::Ron, &named)?;
            let tsx = export(&packed, SheetFormat::Tiled, &named)?;
            Ok([("png", picture), (SheetFormat::Ron.extension(), ron), (SheetFormat::Tiled.extension(), tsx)])
        })?;
        written.extend(files.into_iter().map(|path| (path, size)));
    }
    Ok(written)
}

/// The fewest columns that make full rows no higher than wide, up to twice as wide as high: 8 tiles lie in 4 columns.
/// Where there are none, as for 7 tiles, the last row has a gap.
fn columns(tiles: usize) -> u32 {
    let square = (1..=tiles).find(|columns| columns * columns >= tiles).unwrap_or(1);
    let full = (square..=2 * square).find(|columns| tiles.is_multiple_of(*columns) && columns * columns <= 2 * tiles);
    full.unwrap_or(square) as u32
}

/// The tiles as frames of a sheet: `floor 0`, `floor 1` …
fn sheet_of(name: &str, images: &[RgbaImage]) -> Sheet {
    let frames = images.iter().enumerate().map(|(index, image)| Frame {
        name: format!("{name} {index}"),
        image: image.clone(),
        duration_ms: DEFAULT_FRAME_MS,
        pivot_px: [image.width() as f32 / 2.0, image.height() as f32 / 2.0],
    });
    Sheet { frames: frames.collect(), tags: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_rows_are_preferred() {
        for (tiles, expected) in [(1, 1), (2, 2), (3, 2), (4, 2), (6, 3), (7, 3), (8, 4), (12, 4), (16, 4), (64, 8)] {
            assert_eq!(columns(tiles), expected, "{tiles}");
        }
    }
}
