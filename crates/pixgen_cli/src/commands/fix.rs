//! `dgx-pixels fix IMAGE…`: true pixel art of any picture.

use std::path::{Path, PathBuf};

use clap::Args;
use image::{RgbaImage, imageops};
use pixgen_api::{Background, HexColor, MAX_COLORS, MAX_SIZE_PX, OutlineEdit, PaletteSource, PixelArt, Scale};
use pixgen_art::presets::presets;
use pixgen_art::scale::enlarge;
use pixgen_art::{Metrics, Palette, Pipeline};

use crate::context::Context;
use crate::events::{Report, Role};
use crate::exit::{Exit, OrUsage, usage};
use crate::interrupt;
use crate::joint_colors::{JointColors, MAX_HELD_BYTES};
use crate::look::LookOptions;
use crate::names::{is_png, write_numbered};
use crate::nearest::unknown;
use crate::picture::{self, Cell, Grid};
use crate::pictures;
use crate::png_text::{encode, texts};

/// Edge of the pictures on the sheet of before and after, in pixels.
const SHEET_EDGE_PX: u32 = 192;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels fix screenshot.png\n\
\x20 dgx-pixels fix painted/ --target 32 --palette endesga-32 --joint --output sprites\n\
\x20 dgx-pixels fix photo.jpg --target 48x32 --colors 12 --remove-background --before-after sheet.png")]
pub(crate) struct Arguments {
    /// Pictures (PNG, JPEG, WebP, GIF), and folders of pictures.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Options under one name: default keeps pixel art as it is, sprite-16 and others clean up more. A wrong name lists
    /// them.
    #[arg(long, value_name = "NAME", default_value = "default", help_heading = "Look")]
    preset: String,
    /// Size of the sprite: 48x32, or 32 for the longer edge [default: found in the picture].
    #[arg(long, value_name = "PX", help_heading = "Look")]
    target: Option<Target>,
    /// Edge of one sprite pixel in the picture, whole or not [default: found in the picture].
    #[arg(long, value_name = "PX", conflicts_with = "target", help_heading = "Look")]
    scale: Option<f32>,
    /// Cut the sprite out of its background.
    #[arg(long, conflicts_with = "background", help_heading = "Look")]
    remove_background: bool,
    /// Remove groups of loose pixels up to this size, 0 to 64 [default: 0].
    #[arg(long, value_name = "PX", help_heading = "Look")]
    specks: Option<u32>,
    /// One palette for all pictures.
    #[arg(long, help_heading = "Look")]
    joint: bool,
    #[command(flatten)]
    look: LookOptions,
    /// Also write a picture of all pictures before and after.
    #[arg(long, value_name = "PNG", help_heading = "Output")]
    before_after: Option<PathBuf>,
    /// The folder to write to, or a PNG for a single picture [default: ./output].
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// A size on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The longer edge.
    Longer(u32),
    /// Columns and rows.
    Size(u32, u32),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let edge = |text: &str| text.trim().parse::<u32>().ok().filter(|px| (1..=MAX_SIZE_PX).contains(px));
        let read = match text.to_lowercase().replace('×', "x").split_once('x') {
            Some((width, height)) => edge(width).zip(edge(height)).map(|(width, height)| Self::Size(width, height)),
            None => edge(text).map(Self::Longer),
        };
        read.ok_or_else(|| format!("expected 32 or 48x32, each 1 to {MAX_SIZE_PX}"))
    }
}

impl Target {
    /// The size for a picture.
    fn of(self, picture: &RgbaImage) -> Scale {
        let (width_px, height_px) = match self {
            Self::Size(width, height) => (width, height),
            Self::Longer(longer) => {
                let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
                let share = f64::from(longer) / width.max(height).max(1.0);
                let edge = |px: f64| ((px * share).round() as u32).max(1);
                (edge(width), edge(height))
            }
        };
        Scale::Size { width_px, height_px }
    }
}

/// A picture with the file that it becomes.
#[derive(Clone, Debug)]
struct Job {
    path: PathBuf,
    target: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let printer = &context.printer;
    let mut options = preset(&arguments.preset)?;
    arguments.look.apply(&mut options)?;
    if arguments.remove_background {
        options.background = Background::Remove;
    }
    options.scale = arguments.scale.map_or(options.scale, Scale::Factor);
    options.specks_px = arguments.specks.unwrap_or(options.specks_px);
    options.validate().or_usage()?;
    let jobs = jobs(arguments, context)?;
    let fixer = Fixer { options, size: arguments.target, context };
    let mut sheet = arguments.before_after.is_some().then(Sheet::default);
    let failed = match arguments.joint {
        true => fixer.fix_jointly(&jobs, MAX_HELD_BYTES, &mut sheet)?,
        false => fixer.fix_all(&jobs, &mut sheet)?,
    };
    if let (Some(path), Some(sheet)) = (&arguments.before_after, sheet) {
        if sheet.left_out > 0 {
            printer.warning(&format!("the sheet of before and after leaves {} pictures out", sheet.left_out));
        }
        let path = write_numbered(path, &picture::png(&sheet.draw()?)?)?;
        printer.wrote(&path, Role::ContactSheet);
    }
    match failed {
        0 => Ok(Exit::Success),
        failed if failed == jobs.len() => Ok(Exit::Usage),
        _ => Ok(Exit::Incomplete),
    }
}

/// The options of a preset.
fn preset(name: &str) -> anyhow::Result<PixelArt> {
    let presets = presets();
    let names: Vec<_> = presets.iter().map(|preset| preset.name).collect();
    let found = presets.iter().find(|preset| preset.name.eq_ignore_ascii_case(name));
    found.map(|preset| preset.options.clone()).ok_or_else(|| usage(unknown("preset", name, &names)))
}

/// Every picture with the file that it becomes. Folders keep their inner order in the output.
fn jobs(arguments: &Arguments, context: &Context) -> anyhow::Result<Vec<Job>> {
    let output = arguments.output.clone().unwrap_or_else(|| context.settings.path("output"));
    let mut jobs = Vec::new();
    for path in &arguments.images {
        if path.is_dir() {
            for found in pictures::in_folder(path)? {
                let inside = found.strip_prefix(path).unwrap_or(&found).with_extension("png");
                jobs.push(Job { target: output.join(inside), path: found });
            }
        } else {
            path.metadata().or_usage_in(path.display())?;
            let name = path.file_name().map(PathBuf::from).unwrap_or_default().with_extension("png");
            jobs.push(Job { path: path.clone(), target: output.join(name) });
        }
    }
    match jobs.as_mut_slice() {
        [] => Err(usage("there is no picture in there: PNG, JPEG, WebP and GIF are read")),
        [job] if is_png(&output) => {
            job.target = output;
            Ok(jobs)
        }
        _ if is_png(&output) => Err(usage("--output is one PNG for several pictures: name a folder")),
        _ => Ok(jobs),
    }
}

/// What makes sprites of pictures.
struct Fixer<'a> {
    options: PixelArt,
    size: Option<Target>,
    context: &'a Context,
}

impl Fixer<'_> {
    /// Fixes every picture by itself; returns how many could not be.
    fn fix_all(&self, jobs: &[Job], sheet: &mut Option<Sheet>) -> anyhow::Result<usize> {
        self.each(jobs, "fixing", |job, picture| {
            let options = PixelArt { scale: self.scale_of(picture), ..self.options.clone() };
            let started = std::time::Instant::now();
            let sprite = Pipeline::new(&options)?.run(picture)?;
            let took = started.elapsed().as_millis();
            let (width, height) = sprite.dimensions();
            self.context.printer.note(&format!("{}: {width}×{height} px in {took} ms", job.path.display()));
            if let Some(sheet) = sheet {
                sheet.add_before(&job.path, picture)?;
                sheet.add_after(&job.path, &sprite)?;
            }
            Ok(Some(sprite))
        })
    }

    /// Fixes pictures with one palette: each is brought to its own size first, and then all of them go through the other
    /// steps together. Pictures are let go as soon as they have become sprites; if even those are more than `max_bytes`,
    /// their palette is found while they go by, and they are read a second time.
    fn fix_jointly(&self, jobs: &[Job], max_bytes: usize, sheet: &mut Option<Sheet>) -> anyhow::Result<usize> {
        let mut sprites: Vec<(&Job, RgbaImage)> = Vec::new();
        let mut held_bytes = 0;
        let mut passing: Option<JointColors> = None;
        let mut readable = Vec::new();
        let unread = self.each(jobs, "reading", |job, picture| {
            let sprite = self.scaled(picture)?;
            if let Some(sheet) = sheet {
                sheet.add_before(&job.path, picture)?;
            }
            held_bytes += sprite.as_raw().len();
            readable.push(job.clone());
            match &mut passing {
                Some(colors) => colors.add(self.uncoloured(&sprite)?),
                None if held_bytes <= max_bytes => sprites.push((job, sprite)),
                None => {
                    let mut colors = JointColors::new(max_bytes);
                    for (_, sprite) in sprites.drain(..) {
                        colors.add(self.uncoloured(&sprite)?);
                    }
                    colors.add(self.uncoloured(&sprite)?);
                    passing = Some(colors);
                }
            }
            Ok(None)
        })?;
        let rest = PixelArt { scale: Scale::Factor(1.0), ..self.options.clone() };
        let Some(colors) = passing else {
            let images = sprites.iter().map(|(_, sprite)| sprite);
            for ((job, _), sprite) in sprites.iter().zip(Pipeline::new(&rest)?.run_jointly(images)?.images) {
                self.finish(job, &sprite, sheet)?;
            }
            return Ok(unread);
        };
        let palette = match &self.options.palette {
            PaletteSource::Own | PaletteSource::Auto => {
                let palette = colors.palette(|sprites| self.palette_of(sprites));
                PaletteSource::Colors(palette.colors().iter().copied().map(HexColor).collect())
            }
            given => given.clone(),
        };
        let rest = Pipeline::new(&PixelArt { palette, ..rest })?;
        let failed = self.each(&readable, "fixing", |job, picture| {
            let sprite = rest.run(&self.scaled(picture)?)?;
            if let Some(sheet) = sheet {
                sheet.add_after(&job.path, &sprite)?;
            }
            Ok(Some(sprite))
        })?;
        Ok(unread + failed)
    }

    /// Reads one picture after the other and writes what becomes of it; returns how many failed.
    fn each<'j>(
        &self,
        jobs: &'j [Job],
        what: &str,
        mut fix: impl FnMut(&'j Job, &RgbaImage) -> anyhow::Result<Option<RgbaImage>>,
    ) -> anyhow::Result<usize> {
        let bar = self.context.printer.progress().bar(what, jobs.len() as u64);
        let mut failed = 0;
        for (done, job) in (1..).zip(jobs) {
            interrupt::check()?;
            match pictures::read(&job.path).and_then(|picture| fix(job, &picture)) {
                Ok(Some(sprite)) => self.write(job, &sprite)?,
                Ok(None) => {}
                Err(error) => {
                    failed += 1;
                    self.context.printer.failed(&job.path.display().to_string(), &format!("{error:#}"));
                }
            }
            bar.set(done);
        }
        Ok(failed)
    }

    fn finish(&self, job: &Job, sprite: &RgbaImage, sheet: &mut Option<Sheet>) -> anyhow::Result<()> {
        interrupt::check()?;
        if let Some(sheet) = sheet {
            sheet.add_after(&job.path, sprite)?;
        }
        self.write(job, sprite)
    }

    /// Writes a sprite; what its picture said about itself is carried over.
    fn write(&self, job: &Job, sprite: &RgbaImage) -> anyhow::Result<()> {
        let said = std::fs::read(&job.path).ok().and_then(|bytes| texts(&bytes).ok()).unwrap_or_default();
        let path = write_numbered(&job.target, &encode(sprite, &said)?)?;
        let printer = &self.context.printer;
        printer.wrote_picture(&path, Role::Sprite, None, Some(sprite.dimensions()));
        printer.event(&Report::measured(&path, &Metrics::of(sprite)));
        Ok(())
    }

    fn scale_of(&self, picture: &RgbaImage) -> Scale {
        self.size.map_or(self.options.scale, |size| size.of(picture))
    }

    /// A picture at its sprite's size, with its own colours.
    fn scaled(&self, picture: &RgbaImage) -> anyhow::Result<RgbaImage> {
        let PixelArt { downscale, outline_bias, .. } = self.options;
        let scaling = PixelArt { scale: self.scale_of(picture), downscale, outline_bias, ..PixelArt::default() };
        Ok(Pipeline::new(&scaling)?.run(picture)?)
    }

    /// A sprite as it is when its colours are chosen.
    fn uncoloured(&self, sprite: &RgbaImage) -> anyhow::Result<RgbaImage> {
        let PixelArt { background, holes, despill, specks_px, .. } = self.options;
        let before =
            PixelArt { scale: Scale::Factor(1.0), background, holes, despill, specks_px, ..PixelArt::default() };
        Ok(Pipeline::new(&before)?.run(sprite)?)
    }

    /// The palette that the options choose over all sprites. An outline's colour is one of them.
    fn palette_of(&self, sprites: &[RgbaImage]) -> Palette {
        let most = self.options.colors.unwrap_or(MAX_COLORS);
        match (&self.options.palette, self.options.outline) {
            (PaletteSource::Auto, _) => Palette::automatic(sprites, most),
            (_, OutlineEdit::Add { color, .. } | OutlineEdit::Recolor { color }) => {
                Palette::reduced_beside(sprites, most, color.0)
            }
            _ => Palette::reduced_jointly(sprites, most),
        }
    }
}

/// Pictures on the left, what became of them on the right, at the same size.
#[derive(Debug, Default)]
struct Sheet {
    /// In their order, each with its name, its picture and its sprite at the size of the sheet.
    pairs: Vec<(PathBuf, Cell, Option<Cell>)>,
    left_out: usize,
}

impl Sheet {
    /// Columns of a sheet of many pictures: three pairs.
    const COLUMNS: usize = 6;

    /// Keeps a picture, small, unless the sheet is full.
    fn add_before(&mut self, path: &Path, before: &RgbaImage) -> anyhow::Result<()> {
        if 2 * self.pairs.len() + 2 > picture::most_cells_in(Self::COLUMNS, SHEET_EDGE_PX) {
            self.left_out += 1;
            return Ok(());
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let before = at_sheet_size(before, imageops::FilterType::Triangle)?;
        self.pairs.push((path.to_owned(), Cell { sprite: Some(before), label: format!("{name} before") }, None));
        Ok(())
    }

    /// Keeps a sprite, if its picture is kept.
    fn add_after(&mut self, path: &Path, after: &RgbaImage) -> anyhow::Result<()> {
        if let Some(pair) = self.pairs.iter_mut().find(|(kept, _, after)| kept == path && after.is_none()) {
            let label = format!("{}×{} px", after.width(), after.height());
            pair.2 = Some(Cell { sprite: Some(at_sheet_size(after, imageops::FilterType::Nearest)?), label });
        }
        Ok(())
    }

    fn draw(self) -> anyhow::Result<RgbaImage> {
        let missing = || Cell { sprite: None, label: String::new() };
        let pairs = self.pairs.into_iter();
        let cells: Vec<_> = pairs.flat_map(|(_, before, after)| [before, after.unwrap_or_else(missing)]).collect();
        // Two or three pairs a row.
        let columns = if cells.len() > 8 { Self::COLUMNS } else { 2 };
        Ok(Grid { cells, columns, ..Grid::default() }.draw()?.0)
    }
}

/// A picture with its longer edge brought to that of the sheet's cells: enlarged by a whole number, or made smaller.
fn at_sheet_size(picture: &RgbaImage, filter: imageops::FilterType) -> anyhow::Result<RgbaImage> {
    let longer = picture.width().max(picture.height()).max(1);
    if longer <= SHEET_EDGE_PX {
        return Ok(enlarge(picture, SHEET_EDGE_PX / longer)?);
    }
    let edge = |px: u32| (u64::from(px) * u64::from(SHEET_EDGE_PX) / u64::from(longer)).max(1) as u32;
    Ok(imageops::resize(picture, edge(picture.width()), edge(picture.height()), filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_follow_the_picture() {
        assert_eq!("48x32".parse(), Ok(Target::Size(48, 32)));
        assert_eq!("32".parse(), Ok(Target::Longer(32)));
        for text in ["0", "x", "513", "3x", "32x32x32"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        let wide = RgbaImage::new(200, 100);
        assert_eq!(Target::Longer(32).of(&wide), Scale::Size { width_px: 32, height_px: 16 });
    }

    /// More sprites than are held at once become what they would have become together.
    #[test]
    fn a_joint_palette_does_not_depend_on_memory() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, "").unwrap();
        let settings = crate::config::Settings::read(Some(&config), &[]).unwrap();
        let context = Context::new(settings, crate::printer::Printer::new(false, true, Default::default()));
        let path = |kind: &str, number: u8| folder.path().join(format!("{kind}{number}.png"));
        for number in 0..12u8 {
            let picture = RgbaImage::from_fn(32, 32, |x, y| match (x / 8, y / 8) {
                (0, 0) => image::Rgba([230, 30, 30, 255]),
                (3, _) => image::Rgba([0; 4]),
                _ => image::Rgba([20, 20 * number, 255 - 20 * number, 255]),
            });
            picture.save(path("in", number)).unwrap();
        }
        std::fs::write(path("in", 12), "<html>").unwrap();
        for (palette, outline) in [
            (PaletteSource::Own, OutlineEdit::Keep),
            (PaletteSource::Auto, OutlineEdit::Keep),
            (PaletteSource::Named("pico-8".into()), OutlineEdit::Keep),
            (PaletteSource::Own, OutlineEdit::Recolor { color: HexColor([9, 9, 9]) }),
        ] {
            let options = PixelArt { colors: Some(6), palette: palette.clone(), outline, ..PixelArt::default() };
            let fixer = Fixer { options, size: Some(Target::Longer(16)), context: &context };
            let run = |kind: &str, max_bytes: usize| {
                let name = format!("{kind}-{palette:?}-{outline:?}-").replace(['"', '(', ')', ' ', ':'], "");
                let job = |number| Job { path: path("in", number), target: path(&name, number) };
                let jobs: Vec<_> = (0..13).map(job).collect();
                assert_eq!(fixer.fix_jointly(&jobs, max_bytes, &mut None).unwrap(), 1);
                let read = |job: &Job| pictures::read(&job.target).unwrap();
                jobs[..12].iter().map(read).collect::<Vec<_>>()
            };
            let (together, passing) = (run("together", MAX_HELD_BYTES), run("passing", 2_500));
            let colors: std::collections::HashSet<_> = passing.iter().flat_map(|sprite| sprite.pixels()).collect();
            assert!((4..=7).contains(&colors.len()), "{palette:?}: {}", colors.len());
            assert!(together == passing, "{palette:?}, {outline:?}");
        }
    }
}
