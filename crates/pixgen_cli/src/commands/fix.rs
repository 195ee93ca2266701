//! `dgx-pixels fix IMAGE…`: true pixel art of any picture.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use image::{RgbaImage, imageops};
use pixgen_api::{Background, MAX_SIZE_PX, PixelArt, Scale};
use pixgen_art::presets::presets;
use pixgen_art::scale::enlarge;
use pixgen_art::{Metrics, Pipeline};

use crate::context::Context;
use crate::events::{Report, Role};
use crate::exit::{Exit, OrUsage, usage};
use crate::interrupt;
use crate::look::LookOptions;
use crate::names::{is_png, write_numbered};
use crate::nearest::unknown;
use crate::picture::{self, Cell, Grid};
use crate::pictures;
use crate::png_text::{encode, texts};

/// Edge of the pictures on the sheet of before and after, in pixels.
const SHEET_EDGE_PX: u32 = 192;

#[derive(Args, Debug)]
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
    #[arg(long, value_name = "PNG")]
    before_after: Option<PathBuf>,
    /// The folder to write to, or a PNG for a single picture [default: ./output].
    #[arg(long, short, value_name = "PATH")]
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

/// A picture on its way.
#[derive(Debug)]
struct Picture {
    path: PathBuf,
    target: PathBuf,
    pixels: RgbaImage,
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
    let inputs = inputs(arguments, context)?;
    let bar = printer.progress().bar("fixing", inputs.len() as u64);
    let mut failed = 0;
    let mut fixed = Vec::new();
    if arguments.joint {
        let (pictures, unread) = read_all(&inputs, context)?;
        failed += unread;
        for (picture, sprite) in pictures.iter().zip(fix_jointly(&pictures, &options, arguments.target)?) {
            fixed.push((write(picture, &sprite, context)?, picture.pixels.clone(), sprite));
        }
    } else {
        for (done, (path, target)) in (1..).zip(&inputs) {
            interrupt::check()?;
            match fix_one(path, target, &options, arguments.target) {
                Ok((picture, sprite, took)) => {
                    let written = write(&picture, &sprite, context)?;
                    printer.note(&format!(
                        "{}: {}×{} px in {} ms",
                        path.display(),
                        sprite.width(),
                        sprite.height(),
                        took.as_millis()
                    ));
                    if arguments.before_after.is_some() {
                        fixed.push((written, picture.pixels, sprite));
                    }
                }
                Err(error) => {
                    failed += 1;
                    printer.failed(&path.display().to_string(), &format!("{error:#}"));
                }
            }
            bar.set(done);
        }
    }
    drop(bar);
    if let Some(path) = &arguments.before_after {
        let path = write_numbered(path, &picture::png(&before_after(&fixed)?)?)?;
        printer.wrote(&path, Role::ContactSheet);
    }
    match failed {
        0 => Ok(Exit::Success),
        failed if failed == inputs.len() => Ok(Exit::Usage),
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
fn inputs(arguments: &Arguments, context: &Context) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let output = arguments.output.clone().unwrap_or_else(|| context.settings.path("output"));
    let mut inputs = Vec::new();
    for path in &arguments.images {
        if path.is_dir() {
            for found in pictures::in_folder(path)? {
                let inside = found.strip_prefix(path).unwrap_or(&found).with_extension("png");
                inputs.push((found, output.join(inside)));
            }
        } else {
            path.metadata().or_usage_in(path.display())?;
            let name = path.file_name().map(PathBuf::from).unwrap_or_default().with_extension("png");
            inputs.push((path.clone(), output.join(name)));
        }
    }
    match inputs.as_mut_slice() {
        [] => Err(usage("there is no picture in there: PNG, JPEG, WebP and GIF are read")),
        [(_, target)] if is_png(&output) => {
            *target = output;
            Ok(inputs)
        }
        _ if is_png(&output) => Err(usage("--output is one PNG for several pictures: name a folder")),
        _ => Ok(inputs),
    }
}

fn fix_one(
    path: &Path,
    target: &Path,
    options: &PixelArt,
    size: Option<Target>,
) -> anyhow::Result<(Picture, RgbaImage, Duration)> {
    let pixels = pictures::read(path)?;
    let options = PixelArt { scale: size.map_or(options.scale, |size| size.of(&pixels)), ..options.clone() };
    let started = std::time::Instant::now();
    let sprite = Pipeline::new(&options)?.run(&pixels)?;
    let took = started.elapsed();
    Ok((Picture { path: path.to_owned(), target: target.to_owned(), pixels }, sprite, took))
}

/// Reads all pictures; the second number is how many could not be.
fn read_all(inputs: &[(PathBuf, PathBuf)], context: &Context) -> anyhow::Result<(Vec<Picture>, usize)> {
    let mut pictures = Vec::new();
    let mut failed = 0;
    for (path, target) in inputs {
        interrupt::check()?;
        match pictures::read(path) {
            Ok(pixels) => pictures.push(Picture { path: path.clone(), target: target.clone(), pixels }),
            Err(error) => {
                failed += 1;
                context.printer.failed(&path.display().to_string(), &format!("{error:#}"));
            }
        }
    }
    Ok((pictures, failed))
}

/// Fixes pictures with one palette: each is brought to its own size first, and then all of them go through the other
/// steps together.
fn fix_jointly(pictures: &[Picture], options: &PixelArt, size: Option<Target>) -> anyhow::Result<Vec<RgbaImage>> {
    let mut sprites = Vec::new();
    for picture in pictures {
        interrupt::check()?;
        let scale = size.map_or(options.scale, |size| size.of(&picture.pixels));
        let scaling =
            PixelArt { scale, downscale: options.downscale, outline_bias: options.outline_bias, ..PixelArt::default() };
        sprites.push(Pipeline::new(&scaling)?.run(&picture.pixels)?);
    }
    let rest = PixelArt { scale: Scale::Factor(1.0), ..options.clone() };
    Ok(Pipeline::new(&rest)?.run_jointly(&sprites)?.images)
}

/// Writes a sprite; what its picture said about itself is carried over.
fn write(picture: &Picture, sprite: &RgbaImage, context: &Context) -> anyhow::Result<PathBuf> {
    let said = std::fs::read(&picture.path).ok().and_then(|bytes| texts(&bytes).ok()).unwrap_or_default();
    let path = write_numbered(&picture.target, &encode(sprite, &said)?)?;
    context.printer.wrote_picture(&path, Role::Sprite, None, Some(sprite.dimensions()));
    context.printer.event(&Report::measured(&path, &Metrics::of(sprite)));
    Ok(path)
}

/// Pictures on the left, what became of them on the right, at the same size.
fn before_after(fixed: &[(PathBuf, RgbaImage, RgbaImage)]) -> anyhow::Result<RgbaImage> {
    let mut cells = Vec::new();
    for (path, before, after) in fixed {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let before = at_sheet_size(before, imageops::FilterType::Triangle)?;
        cells.push(Cell { sprite: Some(before), label: format!("{name} before") });
        let label = format!("{}×{} px", after.width(), after.height());
        cells.push(Cell { sprite: Some(at_sheet_size(after, imageops::FilterType::Nearest)?), label });
    }
    // Two or three pairs a row.
    let columns = if cells.len() > 8 { 6 } else { 2 };
    Ok(Grid { cells, columns, ..Grid::default() }.draw()?.0)
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
}
