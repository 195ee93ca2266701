//! The room without a window: one sprite is drawn into it, and what happened is said: when it arrived, under which
//! handle, and whether the world kept its pace meanwhile.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bevy::app::ScheduleRunnerPlugin;
use bevy::asset::AssetPlugin;
use bevy::asset::io::file::FileAssetReader;
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy_pixels_gen::generate::engine::process_bytes;
use bevy_pixels_gen::generate::{GenerateSprite, GenerationDone, GenerationFailed, GenerationProgress};
use bevy_pixels_gen::pixgen_api::{GenPath, GenPathError, Kind, ModelRef, Request};

use crate::room;

/// What is drawn in the end.
const TARGET: &str = "items/potion.png";

/// Frames at rest that are measured before anything is asked for.
const AT_REST: usize = 120;

/// What is to be drawn, and what was seen of it.
#[derive(Resource)]
struct Run {
    request: Request,
    /// Holds the sprite, whose handle must stay the same.
    image: Option<Handle<Image>>,
    /// The starts of all frames.
    frames: Vec<Instant>,
    asked: Option<Instant>,
    /// The starts of the steps.
    steps: Vec<Instant>,
    /// Where the history has the sprite, and since when.
    drawn: Option<(PathBuf, Instant)>,
}

/// The room with a request: `arguments` are nothing, or a model (a folder or a file) and the sprite's edge in pixels.
pub(crate) fn app(mut arguments: impl Iterator<Item = String>) -> Result<App, String> {
    let mut request = Request { seed: Some(1), ..Request::new(Kind::Item, "a green potion in a round flask") };
    if let Some(model) = arguments.next().map(PathBuf::from) {
        request.model = if model.is_dir() { ModelRef::Folder(model) } else { ModelRef::File(model) };
        let size = arguments.next().unwrap_or_else(|| "128".to_owned());
        request.size_px = size.parse().map_err(|_| format!("{size} is no size in pixels: playtest [MODEL [SIZE]]"))?;
    }
    let mut app = App::new();
    app.add_plugins((
        room::plugin("playtest"),
        MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(Duration::from_secs_f64(1.0 / 60.0))),
        AssetPlugin::default(),
        ImagePlugin::default(),
    ))
    .insert_resource(Run { request, image: None, frames: Vec::new(), asked: None, steps: Vec::new(), drawn: None })
    .add_systems(Startup, |mut run: ResMut<Run>, assets: Res<AssetServer>| {
        run.image = Some(assets.load(format!("gen://{TARGET}")));
    })
    .add_systems(First, |mut run: ResMut<Run>| run.frames.push(Instant::now()))
    .add_systems(Update, (ask, follow, arrive).chain());
    room::add_to(&mut app);
    Ok(app)
}

/// Asks for the sprite once the room has come to rest.
fn ask(mut run: ResMut<Run>, mut wishes: MessageWriter<GenerateSprite>) -> Result {
    if run.asked.is_some() || run.frames.len() < AT_REST {
        return Ok(());
    }
    let target: Result<GenPath, GenPathError> = TARGET.parse();
    println!("Generating \"{}\" into gen://{TARGET} …", run.request.prompt);
    wishes.write(GenerateSprite { request: run.request.clone(), target: Some(target?) });
    run.asked = Some(Instant::now());
    Ok(())
}

fn follow(
    mut run: ResMut<Run>,
    mut progress: MessageReader<GenerationProgress>,
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut exit: MessageWriter<AppExit>,
) {
    run.steps.extend(progress.read().map(|_| Instant::now()));
    for failure in failed.read() {
        eprintln!("The sprite failed: {}", failure.error);
        exit.write(AppExit::error());
    }
    if let Some(image) = done.read().next().and_then(|done| done.images.first().cloned()) {
        run.drawn = Some((image.file, Instant::now()));
    }
}

/// Waits for the new pixels under the old handle.
fn arrive(
    run: Res<Run>,
    mut changes: MessageReader<AssetEvent<Image>>,
    images: Res<Assets<Image>>,
    mut exit: MessageWriter<AppExit>,
) {
    let ours = run.image.as_ref().map(Handle::id);
    let is_new = changes.read().any(|change| matches!(change, AssetEvent::Modified { id } if Some(*id) == ours));
    let (true, Some(id), Some(asked), Some((history, drawn))) = (is_new, ours, run.asked, &run.drawn) else { return };
    let since = |instant: Instant| instant.duration_since(asked).as_secs_f64();
    let shown = FileAssetReader::get_base_path().join("target/playtest/gen").join(TARGET);
    println!("The sprite arrived in the world after {:.1} s: {}", asked.elapsed().as_secs_f64(), shown.display());
    println!("Its history entry, with prompt and seed in the PNG: {}", history.display());
    let size = images.get(id).map(Image::size).unwrap_or_default();
    println!("The handle is the old one ({id:?}), its image has {}×{} px", size.x, size.y);
    if let (Some(first), Some(last)) = (run.steps.first(), run.steps.last()) {
        println!(
            "First step after {:.2} s, last ({}) after {:.2}, drawn after {:.2}, on the screen {:.0} ms later",
            since(*first),
            run.steps.len(),
            since(*last),
            since(*drawn),
            drawn.elapsed().as_secs_f64() * 1000.0
        );
    }
    let (rest, busy): (Vec<Instant>, Vec<Instant>) = run.frames.iter().partition(|start| **start < asked);
    // The first frames load the room.
    println!("Frames at rest: {}", pace(rest.get(AT_REST / 4..).unwrap_or_default()));
    println!("Frames while it was drawn: {}", pace(&busy));
    if let Some(bytes) = process_bytes() {
        println!("Memory of the process: {:.0} MiB", bytes as f64 / f64::from(1 << 20));
    }
    exit.write(AppExit::Success);
}

/// Intervals from frame start to frame start, in words.
fn pace(starts: &[Instant]) -> String {
    let intervals = starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0);
    let mut intervals: Vec<_> = intervals.collect();
    intervals.sort_by(f64::total_cmp);
    let at = |share: f64| intervals.get((intervals.len().saturating_sub(1) as f64 * share) as usize).copied();
    let (p50, p99, longest) = (at(0.5), at(0.99), at(1.0));
    let ms = |interval: Option<f64>| interval.map_or("-".to_owned(), |interval| format!("{interval:.1}"));
    format!("{} intervals, p50 {} ms, p99 {}, longest {}", intervals.len(), ms(p50), ms(p99), ms(longest))
}
