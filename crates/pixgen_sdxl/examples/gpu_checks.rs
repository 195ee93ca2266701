//! Checks on an NVIDIA card, with a full-size SDXL, what cannot be seen anywhere else: memory, and what must not change an
//! image.
//!
//! `cargo run --release -p pixgen_sdxl --features cudnn --example gpu_checks -- MODEL LORA`
//!
//! MODEL and LORA are what `tests/full_size/make_reference.py` wrote, or others. Prints a line per check and fails if one
//! of them does.

#![allow(clippy::print_stdout, reason = "a measuring tool")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{
    GpuMemory, GpuNeed, InitImage, LoadOptions, LoraFile, MemoryUse, ModelSource, Pipeline, TextToImage,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// 10⁹ bytes that a model may take at 1024 × 1024 px with guidance.
const LIMITS_GB: [(MemoryUse, f64); 3] = [(MemoryUse::Fast, 9.2), (MemoryUse::Balanced, 8.0), (MemoryUse::Low, 6.0)];
/// Milliseconds that a frame's own work may take beside a model that is being loaded.
const FRAME_LIMIT_MS: f64 = 50.0;
/// How far a prediction may be from what is measured.
const PREDICTED_WITHIN: f64 = 0.1;
/// Images that are drawn to see whether memory grows, and by how much it may.
const MANY_IMAGES: u64 = 240;
const EARLY_IMAGES: u64 = 40;
const GROWTH_BYTES: u64 = 1 << 20;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let model = PathBuf::from(arguments.next().ok_or("give the folder of a model")?);
    let lora = PathBuf::from(arguments.next().ok_or("give a LoRA file")?);
    let device = Device::new_cuda(0)?;
    let mut checks = Checks { device, model, failed: 0 };
    checks.frames_while_loading()?;
    checks.memory()?;
    let mut pipeline = checks.load(MemoryUse::Balanced)?;
    checks.graphs(&pipeline)?;
    checks.adapters(&mut pipeline, &lora)?;
    checks.predictions(&pipeline)?;
    checks.eight_bits(&mut pipeline, &lora)?;
    checks.too_large(&pipeline)?;
    checks.growth(&pipeline)?;
    checks.beside_a_game(&pipeline)?;
    match checks.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} checks failed").into()),
    }
}

struct Checks {
    device: Device,
    model: PathBuf,
    failed: usize,
}

impl Checks {
    fn say(&mut self, is_fine: bool, what: &str) {
        self.failed += usize::from(!is_fine);
        println!("{}  {what}", if is_fine { "fine  " } else { "FAILED" });
    }

    fn load(&self, memory: MemoryUse) -> Outcome<Pipeline> {
        let options = LoadOptions { device: self.device.clone(), dtype: DType::F16, memory, ..LoadOptions::default() };
        Ok(Pipeline::load_with(&ModelSource::Folder(self.model.clone()), &options)?.0)
    }

    fn peak_gb(&self) -> Outcome<f64> {
        Ok(GpuMemory::of(&self.device)?.peak_bytes as f64 / 1e9)
    }

    /// What a game's own frames see of a model that is loaded and draws its first image: they take memory of the system, as
    /// frames do, and must not wait for weights that are read or pages that are locked.
    fn frames_while_loading(&mut self) -> Outcome<()> {
        for memory in [MemoryUse::Balanced, MemoryUse::Low] {
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let frames = std::thread::spawn(move || {
                let mut times_ms = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    // Fresh pages every time.
                    std::hint::black_box(vec![1u8; 4 << 20]);
                    times_ms.push(milliseconds(started));
                    std::thread::sleep(Game::FRAME.saturating_sub(started.elapsed()));
                }
                times_ms
            });
            let started = Instant::now();
            let pipeline = self.load(memory)?;
            draw(&pipeline, &run(512, 1, 2, "a red dragon"))?;
            let took_ms = milliseconds(started);
            stop.store(true, Ordering::Relaxed);
            let mut times_ms = frames.join().map_err(|_| "the frames broke off")?;
            times_ms.sort_by(f64::total_cmp);
            let longest = times_ms.last().copied().unwrap_or_default();
            let what = format!(
                "{memory:?}: loaded and drawn in {took_ms:.0} ms, the longest of {} frames beside it {longest:.1} ms, limit \
                 {FRAME_LIMIT_MS:.0}",
                times_ms.len()
            );
            self.say(longest <= FRAME_LIMIT_MS, &what);
        }
        Ok(())
    }

    /// The same image whatever is on the card, and no more memory than was promised.
    fn memory(&mut self) -> Outcome<()> {
        let mut first = None;
        let mut first_from = None;
        for (memory, limit_gb) in LIMITS_GB {
            GpuMemory::reset_peak(&self.device)?;
            let pipeline = self.load(memory)?;
            let loaded_gb = self.peak_gb()?;
            let image = draw(&pipeline, &run(1024, 1, 4, "a red dragon"))?;
            let started = Instant::now();
            let again = draw(&pipeline, &run(1024, 1, 4, "a red dragon"))?;
            let known_ms = milliseconds(started);
            let started = Instant::now();
            draw(&pipeline, &run(1024, 1, 4, "a blue dragon"))?;
            let new_ms = milliseconds(started);
            let peak_gb = self.peak_gb()?;
            let what = format!(
                "{memory:?}: peak {peak_gb:.2} GB (loading {loaded_gb:.2}), limit {limit_gb}; 4 steps with guidance \
                 {known_ms:.0} ms, with a new prompt {new_ms:.0} ms"
            );
            self.say(peak_gb <= limit_gb, &what);
            let first = first.get_or_insert_with(|| image.clone());
            let is_same = bits(first)? == bits(&image)? && bits(first)? == bits(&again)?;
            self.say(is_same, &format!("{memory:?}: the image is the same to the bit"));
            let mut from = run(512, 1, 4, "a green dragon");
            let pixels = Tensor::full(0.25f32, (1, 3, 512, 512), &Device::Cpu)?;
            from.init_image = Some(InitImage { pixels, strength: 0.5 });
            let image = draw(&pipeline, &from)?;
            let first = first_from.get_or_insert_with(|| image.clone());
            self.say(bits(first)? == bits(&image)?, &format!("{memory:?}: from an image, the same to the bit"));
        }
        Ok(())
    }

    fn graphs(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        for px in [512, 1024] {
            let run = run(px, 1, 8, "a small house");
            pipeline.set_cuda_graphs(false);
            let plain = bits(&draw(pipeline, &run)?)?;
            pipeline.set_cuda_graphs(true);
            let captured = bits(&draw(pipeline, &run)?)?;
            self.say(plain == captured, &format!("{px} px: with and without a captured graph the same to the bit"));
        }
        Ok(())
    }

    fn adapters(&mut self, pipeline: &mut Pipeline, lora: &PathBuf) -> Outcome<()> {
        let file = LoraFile::open(lora)?;
        let run = run(512, 1, 8, "a small house");
        let original = bits(&draw(pipeline, &run)?)?;
        pipeline.set_loras(&[(&file, 0.8)])?;
        let captured = bits(&draw(pipeline, &run)?)?;
        pipeline.set_cuda_graphs(false);
        let plain = bits(&draw(pipeline, &run)?)?;
        pipeline.set_cuda_graphs(true);
        pipeline.clear_loras()?;
        let cleared = bits(&draw(pipeline, &run)?)?;
        self.say(captured != original, "an adapter changes what a captured graph draws");
        self.say(captured == plain, "with an adapter: with and without a captured graph the same to the bit");
        self.say(cleared == original, "without the adapter the original image again, to the bit");
        Ok(())
    }

    fn predictions(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        let sizes =
            [(512, 1, true), (768, 1, true), (1024, 1, false), (1024, 4, true), (1536, 1, true), (512, 16, true)];
        for (px, images, guided) in sizes {
            // A prompt that has to be encoded first.
            let mut run = run(px, images, 2, &format!("a house of {px} by {px} pixels, {images} times"));
            run.guidance_scale = if guided { 5.0 } else { 1.0 };
            GpuMemory::reset_peak(&self.device)?;
            draw(pipeline, &run)?;
            let found = self.peak_gb()?;
            let rows = if guided { 2 * images } else { images };
            let predicted =
                GpuNeed::of(pipeline.memory_use(), pipeline.weights(), [px, px], rows).peak_bytes() as f64 / 1e9;
            let is_near = (predicted / found - 1.0).abs() <= PREDICTED_WITHIN;
            self.say(is_near, &format!("{px} px, batch {rows}: peak {found:.2} GB, predicted {predicted:.2} GB"));
        }
        Ok(())
    }

    /// What holds in half precision holds with linear layers in eight bits, and nothing of it stays.
    fn eight_bits(&mut self, pipeline: &mut Pipeline, lora: &PathBuf) -> Outcome<()> {
        let run = run(1024, 1, 8, "a small house");
        let before = draw(pipeline, &run)?;
        pipeline.set_fp8_linear(true);
        println!("        linear layers behind layer norms in eight bits:");
        let rounded = draw(pipeline, &run)?;
        self.graphs(pipeline)?;
        self.adapters(pipeline, lora)?;
        self.predictions(pipeline)?;
        pipeline.set_fp8_linear(false);
        let after = draw(pipeline, &run)?;
        self.say(bits(&before)? == bits(&after)?, "without eight bits the image is as before, to the bit");
        let difference = (&rounded - &before)?.abs()?.mean_all()?.to_scalar::<f32>()?;
        self.say(difference > 0.0, &format!("with them another one: {difference:.4} per channel on average"));
        Ok(())
    }

    fn too_large(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        let small = run(512, 1, 2, "a small house");
        let before = bits(&draw(pipeline, &small)?)?;
        // A hundred gigabytes that somebody else has, as on a card that is too small.
        let mut taken = Vec::new();
        while GpuMemory::of(&self.device)?.free_bytes > 8 << 30 {
            taken.push(Tensor::zeros(1 << 30, DType::F32, &self.device)?);
        }
        let error = draw(pipeline, &run(2048, 16, 2, "a large house")).err().map(|error| error.to_string());
        let is_told =
            error.as_deref().is_some_and(|error| error.contains("MB left") || error.contains("OUT_OF_MEMORY"));
        self.say(
            is_told,
            &format!("too large: {}", error.as_deref().unwrap_or("it was drawn").lines().next().unwrap_or_default()),
        );
        let after = bits(&draw(pipeline, &small)?)?;
        self.say(before == after, "then a smaller one, the same as before to the bit");
        Ok(())
    }

    /// What a game on the same card sees: with a pause it must get through in at least every second frame.
    fn beside_a_game(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        let draw_for = |pause: Duration| -> Outcome<([f64; 3], f64)> {
            let game = Game::start();
            let started = Instant::now();
            for seed in 0..4 {
                let mut run = run(1024, 1, 30, "a small house");
                run.seeds = vec![seed];
                pipeline.generate(&run, &mut |_| {
                    if !pause.is_zero() {
                        let _ = pipeline.device().synchronize();
                        std::thread::sleep(pause);
                    }
                    ControlFlow::Continue(())
                })?;
            }
            let image_ms = milliseconds(started) / 4.0;
            Ok((game.stop()?, image_ms))
        };
        let game = Game::start();
        std::thread::sleep(Duration::from_secs(3));
        let idle = game.stop()?;
        let words =
            |[p50, p99, longest]: [f64; 3]| format!("p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms");
        println!("        a game's millisecond on the same card, nothing drawn: {}", words(idle));
        let mut p50_ms = Vec::new();
        for pause_ms in [0, 5, 15, 30] {
            let (times, image_ms) = draw_for(Duration::from_millis(pause_ms))?;
            println!("        pause {pause_ms} ms: {}; an image {image_ms:.0} ms", words(times));
            p50_ms.push(times[0]);
        }
        let is_better = p50_ms.last() < p50_ms.first();
        self.say(is_better, "with a pause between steps a game gets through sooner");
        Ok(())
    }

    fn growth(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        let used = |checks: &Self| -> Outcome<u64> {
            checks.device.synchronize()?;
            Ok(GpuMemory::of(&checks.device)?.used_bytes)
        };
        let mut early = 0;
        let started = Instant::now();
        for seed in 0..MANY_IMAGES {
            // Each with a prompt of its own: encoders come and go, and what was encoded is remembered for a while.
            let mut run = run(512, 1, 2, &format!("house number {seed}"));
            run.seeds = vec![seed];
            draw(pipeline, &run)?;
            if seed == EARLY_IMAGES {
                early = used(self)?;
            }
        }
        let late = used(self)?;
        let what = format!(
            "{MANY_IMAGES} images: {early} bytes in use after {EARLY_IMAGES}, {late} in the end ({:.0} ms an image)",
            milliseconds(started) / MANY_IMAGES as f64
        );
        self.say(late <= early + GROWTH_BYTES, &what);
        Ok(())
    }
}

/// Work on the same card that takes about a millisecond, sixty times a second, as a game's: percentiles of how long each
/// took.
struct Game {
    thread: std::thread::JoinHandle<candle_core::Result<Vec<f64>>>,
    stop: Arc<AtomicBool>,
}

impl Game {
    const FRAME: Duration = Duration::from_micros(16_667);
    /// Numbers that are touched in a frame: two gigabytes to and fro take about a millisecond.
    const NUMBERS: usize = 1 << 28;

    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let device = Device::new_cuda_with_stream(0)?;
            let numbers = Tensor::zeros(Self::NUMBERS, DType::F32, &device)?;
            let mut times_ms = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                drop(numbers.affine(1.0, 1.0)?);
                device.synchronize()?;
                times_ms.push(milliseconds(started));
                std::thread::sleep(Self::FRAME.saturating_sub(started.elapsed()));
            }
            Ok(times_ms)
        });
        Self { thread, stop }
    }

    fn stop(self) -> Outcome<[f64; 3]> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times_ms = self.thread.join().map_err(|_| "the game broke off")??;
        // The first frames set everything up.
        times_ms.drain(..times_ms.len().min(10));
        times_ms.sort_by(f64::total_cmp);
        let at = |share: f64| times_ms.get((times_ms.len().saturating_sub(1) as f64 * share) as usize);
        Ok([0.5, 0.99, 1.0].map(|share| at(share).copied().unwrap_or_default()))
    }
}

fn run(px: usize, images: usize, steps: usize, prompt: &str) -> TextToImage {
    TextToImage {
        prompt: prompt.to_owned(),
        negative_prompt: Some("blurry".to_owned()),
        width_px: px,
        height_px: px,
        steps,
        guidance_scale: 5.0,
        seeds: (0..images as u64).collect(),
        ..TextToImage::default()
    }
}

fn draw(pipeline: &Pipeline, run: &TextToImage) -> Result<Tensor, pixgen_sdxl::Error> {
    pipeline.generate(run, &mut |_| ControlFlow::Continue(()))
}

fn bits(image: &Tensor) -> Outcome<Vec<u32>> {
    Ok(image.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
