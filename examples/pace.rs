//! Does the world keep its pace while the model draws? `cargo run --example pace`
//!
//! Runs the room of the playtest without a window at 60 frames a second, ten seconds at rest and ten seconds while the
//! embedded model draws one sprite after the other into it, five times over, and measures from frame start to frame start.
//! Asked for, in the median of the runs: the 99th percentile at most 1.5 times that at rest, and at most one interval
//! over 33 ms more than at rest. The exit status says whether that holds.
//!
//! Two cores are what it is asked for on: `taskset -c 0,1 cargo run --example pace` on a larger machine. Nothing else should
//! run meanwhile. `cargo run --example pace -- RUNS SECONDS` measures more or less.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever started it")]

#[allow(dead_code, reason = "the camera and the keyboard are for the game in a window")]
#[path = "playtest/room.rs"]
mod room;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bevy::app::PluginsState;
use bevy::asset::AssetPlugin;
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy_pixels_gen::generate::{GenJobs, GenerateSprite, GenerationDone, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{GenPath, GenPathError, Kind, Request};

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// Longer than this a frame is missed: two sixtieths of a second.
const MISSED_MS: f64 = 33.0;
const TARGETS: [&str; 3] = ["items/potion.png", "items/key.png", "weapons/sword.png"];

/// Whether the model is to draw.
#[derive(Resource, Default)]
struct Busy {
    on: bool,
    asked: usize,
    drawn: usize,
    error: Option<String>,
}

/// Keeps one job running and one waiting.
fn keep_busy(
    mut busy: ResMut<Busy>,
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    jobs: Res<GenJobs>,
    mut wishes: MessageWriter<GenerateSprite>,
) -> Result {
    busy.drawn += done.read().count();
    if let Some(failed) = failed.read().last() {
        busy.error = Some(failed.error.clone());
    }
    if busy.on && jobs.records().len() < 2 {
        let target: Result<GenPath, GenPathError> = TARGETS[busy.asked % TARGETS.len()].parse();
        let request = Request { seed: Some(busy.asked as u64), ..Request::new(Kind::Item, "a green potion") };
        wishes.write(GenerateSprite { request, target: Some(target?) });
        busy.asked += 1;
    }
    Ok(())
}

/// Runs frames and gives the time from each one's start to the next one's, in milliseconds, as Bevy's
/// `ScheduleRunnerPlugin` would run them.
fn frames(app: &mut App, count: usize) -> Vec<f64> {
    let mut starts = Vec::with_capacity(count + 1);
    for _ in 0..=count {
        let start = Instant::now();
        starts.push(start);
        app.update();
        std::thread::sleep(FRAME.saturating_sub(start.elapsed()));
    }
    starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0).collect()
}

/// What is asked of a run: 50th and 99th percentile and longest interval in milliseconds, and missed frames.
#[derive(Clone, Copy)]
struct Pace {
    p50: f64,
    p99: f64,
    longest: f64,
    missed: f64,
}

impl Pace {
    fn of(mut intervals: Vec<f64>) -> Self {
        intervals.sort_by(f64::total_cmp);
        let at = |share: f64| intervals[((intervals.len() - 1) as f64 * share).round() as usize];
        let missed = intervals.iter().filter(|interval| **interval > MISSED_MS).count() as f64;
        Self { p50: at(0.5), p99: at(0.99), longest: at(1.0), missed }
    }

    fn median(runs: &[Self]) -> Self {
        let middle = |value: fn(&Self) -> f64| {
            let mut values: Vec<_> = runs.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            p50: middle(|p| p.p50),
            p99: middle(|p| p.p99),
            longest: middle(|p| p.longest),
            missed: middle(|p| p.missed),
        }
    }

    fn print(&self, what: &str) {
        let Self { p50, p99, longest, missed } = self;
        println!(
            "{what:<14} p50 {p50:6.2} ms   p99 {p99:6.2} ms   longest {longest:7.2} ms   over {MISSED_MS} ms: {missed}"
        );
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().ok().filter(|n| *n > 0));
    let (Some(runs), Some(seconds)) = (arguments.next().unwrap_or(Some(5)), arguments.next().unwrap_or(Some(10)))
    else {
        eprintln!("usage: pace [RUNS [SECONDS]]");
        return ExitCode::FAILURE;
    };
    let mut app = App::new();
    app.add_plugins((room::plugin("pace"), MinimalPlugins, AssetPlugin::default(), ImagePlugin::default()))
        .init_resource::<Busy>()
        .add_systems(Update, keep_busy);
    room::add_to(&mut app);
    while app.plugins_state() == PluginsState::Adding {
        std::thread::sleep(Duration::from_millis(1));
    }
    app.finish();
    app.cleanup();
    frames(&mut app, 120); // everything is loaded

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{runs} runs of {seconds} s at rest and {seconds} s busy, on {cores} cores");
    let (mut at_rest, mut busy) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        let rest = Pace::of(frames(&mut app, seconds * 60));
        let before = app.world().resource::<Busy>().drawn;
        app.world_mut().resource_mut::<Busy>().on = true;
        let drawing = Pace::of(frames(&mut app, seconds * 60));
        app.world_mut().resource_mut::<Busy>().on = false;
        let drawn = app.world().resource::<Busy>().drawn - before;
        while !app.world().resource::<GenJobs>().records().is_empty() {
            frames(&mut app, 10);
            if let Some(error) = &app.world().resource::<Busy>().error {
                eprintln!("a sprite failed: {error}");
                return ExitCode::FAILURE;
            }
        }
        rest.print(&format!("{run}: at rest"));
        drawing.print(&format!("{run}: drew {drawn}"));
        if drawn == 0 {
            eprintln!("nothing was drawn: measure for longer");
            return ExitCode::FAILURE;
        }
        at_rest.push(rest);
        busy.push(drawing);
    }
    let (rest, drawing) = (Pace::median(&at_rest), Pace::median(&busy));
    rest.print("median rest");
    drawing.print("median busy");
    let holds = drawing.p99 <= rest.p99 * 1.5 && drawing.missed <= rest.missed + 1.0;
    println!("{}", if holds { "the world keeps its pace" } else { "the world does NOT keep its pace" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
