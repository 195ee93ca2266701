//! `dgx-pixels generate-animation`: frames of one figure, as a sheet with its descriptions and as a GIF.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use image::{RgbaImage, imageops};
use pixgen_api::{Animation, Kind, Motion, SheetTag};
use pixgen_art::export::{ExportOptions, SheetFormat, export};
use pixgen_art::sheet::{Frame, Layout, PackOptions, Sheet, pack, pivot_of};
use pixgen_art::{MAX_EDGE_PX, Metrics};

use crate::context::Context;
use crate::drawing::{Observer, rgba};
use crate::events::{Report, Role};
use crate::exit::{Exit, OrUsage, usage};
use crate::names::{FileSet, folder_and_stem, make_folder};
use crate::options::DrawOptions;
use crate::png_text::{encode, texts};
use crate::preview;
use crate::session::{Session, SessionConfig, preflight, stored_png};

/// Flicker above which an animation looks restless: nine in ten drawn animations have at most 0.011, noise has 0.15.
const CALM_FLICKER: f32 = 0.05;
/// Loops above this jump: 95 in 100 drawn ones have at most 1.75.
const CLOSED_LOOP: f32 = 2.0;

/// Most pixels of all frames of a GIF together.
const MAX_GIF_PX: u64 = 1 << 28;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels generate-animation --prompt \"fantasy knight character\" --frames 4 --type idle\n\
\x20 dgx-pixels generate-animation --prompt \"a grey wolf\" --kind animal --type walk --frames 6\n\
\x20 dgx-pixels generate-animation --prompt \"a wizard\" --type \"casting a spell\" --output art/wizard.png")]
pub(crate) struct Arguments {
    /// Who moves, in English words.
    #[arg(long, required_unless_present = "recipe", help_heading = "Animation")]
    prompt: Option<String>,
    /// What the figure is [default: character].
    #[arg(long, value_name = "KIND", help_heading = "Animation")]
    kind: Option<Kind>,
    /// Frames of the animation, 2 to 16 [default: 4].
    #[arg(long, value_name = "N", help_heading = "Animation")]
    frames: Option<u32>,
    /// What the figure does: idle, walk, attack, or other words [default: idle].
    #[arg(long = "type", value_name = "MOTION", help_heading = "Animation")]
    motion: Option<Motion>,
    /// How long a frame is shown, in milliseconds [default: 150].
    #[arg(long, value_name = "MS", help_heading = "Animation")]
    frame_ms: Option<u32>,
    /// How far the frames may differ, 0 to 1 [default: what the motion wants].
    #[arg(long, value_name = "SHARE", help_heading = "Animation")]
    variation: Option<f32>,
    /// Keep what changes by a shade without moving as it was, so that nothing shimmers [default: true].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
          value_name = "BOOL", help_heading = "Animation")]
    calm: Option<bool>,
    /// How many times the GIF is enlarged.
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Output")]
    gif_scale: u32,
    #[command(flatten)]
    pub(crate) options: DrawOptions,
    /// A PNG to write, or a folder [default: ./output/PROMPT.png]. Beside it are PROMPT.sheet.ron, PROMPT.json and
    /// PROMPT.gif.
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Show the frames in the terminal.
    #[arg(long, help_heading = "Output")]
    preview: bool,
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    let kind = arguments.kind.or(arguments.options.recipe.is_none().then_some(Kind::Character));
    let mut request = arguments.options.request(context, kind, arguments.prompt.as_deref())?;
    let animation = animation(&arguments, request.animation.take());
    request.count = 1;
    request.animation = Some(animation.clone());
    request.validate().or_usage()?;
    let device = context.settings.device()?;
    preflight(&request, device)?;
    check_gif(arguments.gif_scale, request.size_px, animation.frames)?;
    let (folder, stem) = folder_and_stem(arguments.output.as_deref(), context.settings.path("output"), &request.prompt);
    make_folder(&folder)?;
    let session = Session::start(SessionConfig::of(&context.settings, 1, None)?)?;
    let item = request.prompt.clone();
    let observer = Observer::new(context, &item, 1);
    let kind = request.kind;
    let images = session.draw(request, &mut |event| {
        observer.observe(event);
        Ok(())
    })?;
    drop(observer);
    let drawn = images.first().context("the engine returned no frames")?;
    let frames = split(&rgba(&drawn.pixels)?, animation.frames)?;
    let metrics = Metrics::of_frames(&frames)?;
    let said = texts(&stored_png(drawn)?)?;
    let name = animation.motion.to_string();
    let sheet = sheet_of(&name, &frames, &animation, pivot_of(frames[0].dimensions(), kind.anchor()));
    let written = write(&arguments, &folder, &stem, &sheet, &said)?;
    tell(context, &written, drawn.seed, &metrics);
    if arguments.preview {
        for frame in &frames {
            preview::show(frame, context);
        }
    }
    Ok(Exit::Success)
}

/// Whether the GIF can be written: that must not be found out after the frames are drawn.
fn check_gif(scale: u32, size_px: u32, frames: u32) -> anyhow::Result<()> {
    let most_px = MAX_EDGE_PX.min((MAX_GIF_PX / u64::from(frames.max(1))).isqrt() as u32);
    let most = (most_px / size_px.max(1)).max(1);
    if (1..=most).contains(&scale) {
        return Ok(());
    }
    Err(usage(format!("gif-scale is {scale}, expected 1 to {most} for {frames} frames of {size_px} px")))
}

/// What is animated: the recipe's animation with what was said on the command line.
fn animation(arguments: &Arguments, recipe: Option<Animation>) -> Animation {
    let base = recipe.unwrap_or_default();
    Animation {
        frames: arguments.frames.unwrap_or(base.frames),
        motion: arguments.motion.clone().unwrap_or(base.motion),
        frame_ms: arguments.frame_ms.unwrap_or(base.frame_ms),
        variation: arguments.variation.or(base.variation),
        calm: arguments.calm.unwrap_or(base.calm),
    }
}

/// The frames of a picture in which they stand from left to right.
fn split(picture: &RgbaImage, frames: u32) -> anyhow::Result<Vec<RgbaImage>> {
    let width = picture.width() / frames.max(1);
    if frames == 0 || width == 0 || width * frames != picture.width() {
        return Err(usage(format!("a picture {} px wide holds no {frames} frames", picture.width())));
    }
    Ok((0..frames)
        .map(|frame| imageops::crop_imm(picture, frame * width, 0, width, picture.height()).to_image())
        .collect())
}

fn sheet_of(name: &str, images: &[RgbaImage], animation: &Animation, pivot_px: [f32; 2]) -> Sheet {
    let frames = images.iter().enumerate().map(|(index, image)| Frame {
        name: format!("{name} {index}"),
        image: image.clone(),
        duration_ms: animation.frame_ms,
        pivot_px,
    });
    let tag = SheetTag { name: name.to_owned(), first: 0, last: images.len().saturating_sub(1), ..SheetTag::default() };
    Sheet { frames: frames.collect(), tags: vec![tag] }
}

/// Writes sheet, descriptions and GIF.
fn write(
    arguments: &Arguments,
    folder: &Path,
    stem: &str,
    sheet: &Sheet,
    said: &[(String, String)],
) -> anyhow::Result<Vec<PathBuf>> {
    let options = PackOptions { layout: Layout::Strip, ..PackOptions::default() };
    FileSet::new(folder, stem).write(|name| {
        let packed = pack(sheet, &format!("{name}.png"), &options)?;
        let named = ExportOptions { name: name.to_owned(), scale: arguments.gif_scale, ..ExportOptions::default() };
        Ok([
            ("png", encode(&packed.image, said)?),
            (SheetFormat::Ron.extension(), export(&packed, SheetFormat::Ron, &named)?),
            (SheetFormat::AsepriteArray.extension(), export(&packed, SheetFormat::AsepriteArray, &named)?),
            (SheetFormat::Gif.extension(), export(&packed, SheetFormat::Gif, &named)?),
        ])
    })
}

/// Paths, measures, and what they mean.
fn tell(context: &Context, written: &[PathBuf], seed: u64, metrics: &Metrics) {
    let printer = &context.printer;
    printer.note(&format!("seed {seed}"));
    if let Some(motion) = metrics.motion {
        printer.note(&format!(
            "flicker {:.3} (calm up to {CALM_FLICKER}), loop {:.2} (closed up to {CLOSED_LOOP}), {} colours",
            motion.flicker, motion.loop_ratio, metrics.colors
        ));
        if motion.step == 0.0 {
            printer.warning("all frames are the same: a larger --variation lets them differ");
        }
        if motion.flicker > CALM_FLICKER {
            printer.warning("the frames flicker: a smaller --variation or fewer --colors calms them");
        }
        if motion.loop_ratio > CLOSED_LOOP {
            printer.warning("the last frame does not lead back to the first: try another --seed or more --frames");
        }
    }
    for path in written {
        let role = match path.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Role::Sheet,
            Some("gif") => Role::Preview,
            _ => Role::Sidecar,
        };
        printer.wrote_picture(path, role, (role == Role::Sheet).then_some(seed), None);
    }
    if let Some(path) = written.first() {
        printer.event(&Report::measured(path, metrics));
    }
}
