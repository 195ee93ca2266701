//! A backend for tests of front ends: instant, deterministic, and as slow or broken as a test wants.

use std::ops::ControlFlow;
use std::time::Duration;

use image::{Rgba, RgbaImage};
use pixgen_api::{EventKind, Progress, SchedulerKind};

use crate::backend::pixels;
use crate::finish::side_by_side;
use crate::sdxl::frames_of;
use crate::{Backend, BackendLoader, Drawing, EngineError, ModelInfo, NativeSize};

/// Draws a checkerboard disc whose colours follow prompt and seed. Not a model: for tests alone.
///
/// The prompts `panic`, `fail`, `out of memory` and `not a number` do what they say, so that a test reaches every way a
/// job can end; `on a wall` paints an opaque white ground.
#[derive(Clone, Debug)]
pub struct FakeBackend {
    info: ModelInfo,
    step: Duration,
}

impl FakeBackend {
    /// A backend whose denoising steps take `step` each.
    #[must_use]
    pub fn new(step: Duration) -> Self {
        Self { info: Self::model_info(), step }
    }

    /// A loader for [`EngineConfig`](crate::EngineConfig) that answers every model with this backend.
    #[must_use]
    pub fn loader(step: Duration) -> BackendLoader {
        Box::new(move |_| Ok(Box::new(Self::new(step))))
    }

    /// What the fake claims to be able to do.
    #[must_use]
    pub fn model_info() -> ModelInfo {
        ModelInfo {
            name: "fake".to_owned(),
            native_sizes: [16, 32].map(|px| NativeSize { sprite_px: px, image_px: px }).to_vec(),
            steps: 4,
            guidance_scale: 1.0,
            guidance_rescale: 0.0,
            scheduler: SchedulerKind::Euler,
            prompt_format: "{kind}, {prompt}".to_owned(),
            frame_words: false,
        }
    }
}

impl Backend for FakeBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn paints_alpha(&self) -> bool {
        false
    }

    #[expect(clippy::panic, reason = "a test asks for it by its prompt")]
    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<Vec<RgbaImage>, EngineError> {
        let Drawing { plan, image, seed, init_image, .. } = drawing;
        match plan.request.prompt.as_str() {
            "panic" => panic!("the fake backend was asked to panic"),
            "fail" => return Err(pixgen_sdxl::Error::Input("the fake backend was asked to fail".to_owned()).into()),
            // The same words as CUDA's, through the same conversion.
            "out of memory" => {
                let driver =
                    candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".to_owned());
                return Err(pixgen_sdxl::Error::from(driver).into());
            }
            "not a number" => {
                let shape = (1, 4, plan.image_px as usize, plan.image_px as usize);
                let image = candle_core::Tensor::full(f32::NAN, shape, &candle_core::Device::Cpu);
                return frames_of(&image.map_err(pixgen_sdxl::Error::from)?);
            }
            _ => {}
        }
        // FNV-1a: the picture depends on every byte of prompt and seed.
        let hash = plan
            .prompt
            .bytes()
            .chain(seed.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let [r, g, b, ..] = hash.to_be_bytes();
        let ground = if plan.request.prompt == "on a wall" { Rgba([250, 250, 250, 255]) } else { Rgba([0; 4]) };
        let middle = plan.image_px as f32 / 2.0 - 0.5;
        let paint = |frame: u32| {
            RgbaImage::from_fn(plan.image_px, plan.image_px, |x, y| {
                // Each frame's disc is a little smaller: frames can be told apart.
                let radius = middle * 0.9 - frame as f32;
                let inside = (x as f32 - middle).hypot(y as f32 - middle) < radius;
                let dark = if (x / 4 + y / 4) % 2 == 0 { 1 } else { 2 };
                match init_image {
                    _ if inside => Rgba([r / dark, g / dark, b / dark, 255]),
                    Some(image) => *image.get_pixel(x, y),
                    None => ground,
                }
            })
        };
        let frames: Vec<_> = (0..plan.request.frames()).map(paint).collect();
        for step in 1..=plan.steps {
            std::thread::sleep(self.step);
            let preview = pixels(&side_by_side(&frames));
            for event in
                [EventKind::Step { image, step, steps: plan.steps, remaining: None }, EventKind::Preview(preview)]
            {
                if let ControlFlow::Break(_) = progress.report(event) {
                    return Err(EngineError::Cancelled);
                }
            }
        }
        Ok(frames)
    }
}
