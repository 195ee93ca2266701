//! How long a painted picture of 1024 px takes to become a sprite of 128 px with 24 colours, and which step how much.
//!
//! `cargo bench -p pixgen_art --bench pipeline`. The picture is painted by rule: soft edges a little off the grid, noise,
//! a shaded background. One thread. Beside the clock it tells processor time, which other programs on the machine do
//! not lengthen but for what they take of its caches.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../examples/common/large_task.rs"]
mod large_task;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use image::{Rgba, RgbaImage};
use large_task::large_task;
use pixgen_art::Pipeline;
use pixgen_art::downscale::{Cells, k_centroid, k_centroid_reference};

/// A figure of bands and discs on a shaded background, as a diffusion model would paint it: 1024×1024.
fn painted() -> RgbaImage {
    let mut state = 7u32;
    RgbaImage::from_fn(1024, 1024, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 24) as f32 / 255.0 * 10.0 - 5.0;
        // Cells of 8 px that wander by up to a pixel.
        let wander = (y as f32 / 90.0).sin();
        let (cx, cy) = (((x as f32 + wander) / 8.0).floor(), ((y as f32 - wander) / 8.0).floor());
        let (dx, dy) = (cx - 63.5, cy - 63.5);
        let radius = dx.hypot(dy);
        let base = if radius > 50.0 {
            [120.0 + cx * 0.3, 160.0, 190.0 - cy * 0.2]
        } else if radius > 48.0 {
            [24.0, 20.0, 30.0]
        } else {
            let band = ((dx * 0.35).sin() + (dy * 0.22).cos() + 2.0) / 4.0;
            let hue = ((cx / 16.0).floor() + (cy / 24.0).floor() * 3.0) % 7.0;
            [60.0 + 150.0 * band, 40.0 + hue * 26.0, 200.0 - 160.0 * band + hue * 6.0]
        };
        let [r, g, b] = base.map(|value: f32| (value + noise).clamp(0.0, 255.0) as u8);
        Rgba([r, g, b, 255])
    })
}

/// Seconds of processor time of this thread, where Linux tells.
fn processor_seconds() -> Option<f64> {
    let file = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    file.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

/// Prints the mean processor time of a call in milliseconds. The kernel counts in steps of a few of them, so that one
/// call alone could not be timed; the least of ten batches is what the machine's other work disturbed least.
fn print_processor_time(name: &str, mut work: impl FnMut()) {
    const CALLS: u32 = 20;
    let batch = || {
        let start = processor_seconds()?;
        (0..CALLS).for_each(|_| work());
        Some((processor_seconds()? - start) / f64::from(CALLS))
    };
    let batches: Option<Vec<f64>> = std::iter::repeat_with(batch).take(10).collect();
    match batches {
        Some(mut batches) => {
            batches.sort_by(f64::total_cmp);
            println!("{name}: {:.2} ms of processor time (middle of ten: {:.2})", batches[0] * 1e3, batches[5] * 1e3);
        }
        None => println!("{name}: no processor time on this system"),
    }
}

fn bench(criterion: &mut Criterion) {
    let picture = painted();
    let options = large_task();
    let pipeline = Pipeline::new(&options).unwrap();
    let mut best: Vec<(&'static str, Duration)> = Vec::new();
    let mut least = Duration::MAX;
    for _ in 0..30 {
        let steps = pipeline.run_jointly([&picture]).unwrap().steps;
        let sum = steps.iter().map(|(_, taken)| *taken).sum();
        if sum < least {
            (best, least) = (steps, sum);
        }
    }
    println!("best of 30 runs: {:.2} ms", least.as_secs_f64() * 1e3);
    for (name, taken) in best {
        let share = taken.as_secs_f64() / least.as_secs_f64() * 100.0;
        println!("  {name:<12}{:>8.3} ms {share:>5.1} %", taken.as_secs_f64() * 1e3);
    }
    print_processor_time("the whole pipeline", || drop(pipeline.run(black_box(&picture)).unwrap()));
    let cells = Cells::by_factor(picture.dimensions(), 8.0);
    print_processor_time("k-centroid", || drop(k_centroid(black_box(&picture), &cells, 0.0)));
    criterion.bench_function("1024 to 128 px, 24 colours", |b| b.iter(|| pipeline.run(black_box(&picture)).unwrap()));
    criterion.bench_function("k-centroid", |b| b.iter(|| k_centroid(black_box(&picture), &cells, 0.0)));
    criterion.bench_function("k-centroid, reference", |b| {
        b.iter(|| k_centroid_reference(black_box(&picture), &cells, 0.0));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = bench
}
criterion_main!(benches);
