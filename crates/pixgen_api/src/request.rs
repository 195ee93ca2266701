//! The one description of a picture that every front end fills.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{
    MAX_ANIMATION_FRAMES, MAX_CLIP_SKIP, MAX_COUNT, MAX_GUIDANCE_SCALE, MAX_LORA_WEIGHT, MAX_LORAS, MAX_PROMPT_CHARS,
    MAX_SIZE_PX, MAX_STEPS, MIN_ANIMATION_FRAMES, MIN_FRAME_MS, MIN_SIZE_PX, MIN_STRENGTH,
};
use crate::{Animation, Kind, LoraRef, MAX_FRAME_MS, ModelRef, Motion, PixelArt, Seamless};

/// A wish for one or more sprites. Fields left at `None` are decided by the model that draws them.
///
/// A recipe file `*.sprite.ron` is this type in RON; every field may be left out but `prompt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// What to draw, in English words.
    pub prompt: String,
    /// What to keep out of the picture.
    pub negative_prompt: String,
    /// What the sprite shows.
    pub kind: Kind,
    /// Edge of the square sprite in pixels, [`MIN_SIZE_PX`] to [`MAX_SIZE_PX`].
    pub size_px: u32,
    /// How many images; image `i` uses seed `seed + i`. 1 to [`MAX_COUNT`].
    pub count: u32,
    /// Seed of the first image; `None` draws one.
    pub seed: Option<u64>,
    /// Denoising steps, 1 to [`MAX_STEPS`].
    pub steps: Option<u32>,
    /// Classifier-free guidance scale, 1 (off) to [`MAX_GUIDANCE_SCALE`].
    pub guidance_scale: Option<f32>,
    /// How far the guided prediction is rescaled to the contrast of the unguided one, 0 to 1
    /// (Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", section 3.4).
    pub guidance_rescale: Option<f32>,
    /// Which solver walks from noise to picture.
    pub scheduler: Option<SchedulerKind>,
    /// Which model draws.
    pub model: ModelRef,
    /// Another autoencoder than the model's own: a `.safetensors` file, or a folder in diffusers layout.
    pub vae: Option<PathBuf>,
    /// Adapters that change what the model draws, at most [`MAX_LORAS`]; their order does not matter.
    pub loras: Vec<LoraRef>,
    /// How many layers of the text encoders are skipped besides the last, 0 (as SDXL was trained) to [`MAX_CLIP_SKIP`].
    pub clip_skip: u32,
    /// A PNG to begin with instead of noise alone: the result is a variation of it.
    pub init_image: Option<PathBuf>,
    /// How far the result may leave `init_image`: [`MIN_STRENGTH`] (hardly at all) to 1 (it is only a hint). `None` means
    /// [`Request::DEFAULT_STRENGTH`].
    pub strength: Option<f32>,
    /// Where `init_image` is painted anew: a PNG of the same shape, white where new paint goes, black where the
    /// picture stays as it is.
    pub mask: Option<PathBuf>,
    /// Along which axes the picture repeats without a seam.
    pub seamless: Seamless,
    /// Frames of one figure instead of one picture.
    pub animation: Option<Animation>,
    /// How the painted picture becomes pixel art.
    #[serde(deserialize_with = "PixelArt::deserialize_for_generation")]
    pub pixel_art: PixelArt,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            kind: Kind::default(),
            size_px: 32,
            count: 1,
            seed: None,
            steps: None,
            guidance_scale: None,
            guidance_rescale: None,
            scheduler: None,
            model: ModelRef::default(),
            vae: None,
            loras: Vec::new(),
            clip_skip: 0,
            init_image: None,
            strength: None,
            mask: None,
            seamless: Seamless::OFF,
            animation: None,
            pixel_art: PixelArt::for_generation(),
        }
    }
}

impl Request {
    /// [`strength`](Self::strength) of image-to-image when the request names none.
    pub const DEFAULT_STRENGTH: f32 = 0.6;

    /// A request with defaults for everything but kind and prompt.
    #[must_use]
    pub fn new(kind: Kind, prompt: impl Into<String>) -> Self {
        Self { kind, prompt: prompt.into(), ..Self::default() }
    }

    /// Checks every range that does not depend on the model.
    ///
    /// # Errors
    /// The first field that is out of its range, with what was found and what is expected.
    pub fn validate(&self) -> Result<(), RequestError> {
        if self.prompt.trim().is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        for text in [&self.prompt, &self.negative_prompt] {
            let chars = text.chars().count();
            if chars > MAX_PROMPT_CHARS {
                return Err(RequestError::PromptTooLong { chars });
            }
        }
        let in_range = RequestError::check_range;
        in_range("size_px", self.size_px.into(), MIN_SIZE_PX.into(), MAX_SIZE_PX.into())?;
        in_range("count", self.count.into(), 1.0, MAX_COUNT.into())?;
        if let Some(steps) = self.steps {
            in_range("steps", steps.into(), 1.0, MAX_STEPS.into())?;
        }
        if let Some(scale) = self.guidance_scale {
            in_range("guidance_scale", scale.into(), 1.0, MAX_GUIDANCE_SCALE.into())?;
        }
        if let Some(rescale) = self.guidance_rescale {
            in_range("guidance_rescale", rescale.into(), 0.0, 1.0)?;
        }
        in_range("clip_skip", self.clip_skip.into(), 0.0, MAX_CLIP_SKIP.into())?;
        in_range("the number of loras", self.loras.len() as f64, 0.0, MAX_LORAS as f64)?;
        for lora in &self.loras {
            in_range("the weight of a lora", lora.weight.into(), (-MAX_LORA_WEIGHT).into(), MAX_LORA_WEIGHT.into())?;
        }
        if let Some(strength) = self.strength {
            in_range("strength", strength.into(), MIN_STRENGTH.into(), 1.0)?;
        }
        if self.init_image.is_none() {
            for (name, given) in [("mask", self.mask.is_some()), ("strength", self.strength.is_some())] {
                if given {
                    return Err(RequestError::NoInitImage { name });
                }
            }
        }
        if let Some(animation) = &self.animation {
            in_range(
                "animation.frames",
                animation.frames.into(),
                MIN_ANIMATION_FRAMES.into(),
                MAX_ANIMATION_FRAMES.into(),
            )?;
            in_range("animation.frame_ms", animation.frame_ms.into(), MIN_FRAME_MS.into(), MAX_FRAME_MS.into())?;
            if let Some(variation) = animation.variation {
                in_range("animation.variation", variation.into(), 0.0, 1.0)?;
            }
            if let Motion::Text(text) = &animation.motion {
                if text.trim().is_empty() {
                    return Err(RequestError::EmptyMotion);
                }
                let chars = text.chars().count();
                if chars > MAX_PROMPT_CHARS {
                    return Err(RequestError::PromptTooLong { chars });
                }
            }
        }
        self.pixel_art.validate()
    }

    /// Frames in each picture: 1, or the number of the animation.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.animation.as_ref().map_or(1, |animation| animation.frames)
    }
}

/// Why a request cannot be run by any model.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RequestError {
    /// There is nothing to draw.
    #[error("the prompt is empty: write what the sprite should show, for example \"a blue potion\"")]
    EmptyPrompt,
    /// The prompt is no prompt.
    #[error("the prompt has {chars} characters, at most {MAX_PROMPT_CHARS} are read: shorten it")]
    PromptTooLong {
        /// Characters found.
        chars: usize,
    },
    /// Something that only means something together with a picture to begin with.
    #[error("there is a {name} but no init_image: give the picture that it belongs to, or leave {name} out")]
    NoInitImage {
        /// The field's name.
        name: &'static str,
    },
    /// The animation does nothing.
    #[error("animation.motion is empty: use idle, walk, attack, or say in words what the figure does")]
    EmptyMotion,
    /// A number lies outside its range (NaN does too).
    #[error("{name} is {found}, expected {min} to {max}")]
    OutOfRange {
        /// The field's name.
        name: &'static str,
        /// The value found.
        found: f64,
        /// Smallest value allowed.
        min: f64,
        /// Largest value allowed.
        max: f64,
    },
}

impl RequestError {
    /// Refuses a number outside `min..=max`, NaN too.
    pub(crate) fn check_range(name: &'static str, found: f64, min: f64, max: f64) -> Result<(), Self> {
        if (min..=max).contains(&found) { Ok(()) } else { Err(Self::OutOfRange { name, found, min, max }) }
    }
}

/// The solvers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    /// Euler's method on the probability-flow ODE (Karras et al. 2022, Algorithm 1 without churn).
    #[default]
    Euler,
    /// Euler's method with fresh noise after every step, as SDXL-Turbo wants it.
    EulerAncestral,
    /// DDIM (Song et al. 2021), without fresh noise unless asked for.
    Ddim,
    /// DPM-Solver++ of second order, multistep (Lu et al. 2022).
    Dpmpp2m,
    /// The same on the diffusion SDE: with fresh noise after every step.
    Dpmpp2mSde,
    /// UniPC, a predictor and a corrector (Zhao et al. 2023).
    Unipc,
    /// Multistep sampling of latent consistency models (Luo et al. 2023): LCM-LoRA, DMD2.
    Lcm,
    /// Trajectory consistency distillation (Zheng et al. 2024): TCD-LoRA, Hyper-SD.
    Tcd,
}

impl SchedulerKind {
    /// Every scheduler, in the order in which front ends list them.
    pub const ALL: [Self; 8] = [
        Self::Euler,
        Self::EulerAncestral,
        Self::Ddim,
        Self::Dpmpp2m,
        Self::Dpmpp2mSde,
        Self::Unipc,
        Self::Lcm,
        Self::Tcd,
    ];

    /// The name that users of other tools know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "Euler",
            Self::EulerAncestral => "Euler a",
            Self::Ddim => "DDIM",
            Self::Dpmpp2m => "DPM++ 2M",
            Self::Dpmpp2mSde => "DPM++ 2M SDE",
            Self::Unipc => "UniPC",
            Self::Lcm => "LCM",
            Self::Tcd => "TCD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_needs_only_a_prompt() {
        let request: Request = ron::from_str(r#"(prompt: "a blue potion")"#).unwrap();
        assert_eq!(request, Request::new(Kind::Item, "a blue potion"));
    }

    #[test]
    fn a_request_survives_ron() {
        let mut request = Request::new(Kind::Tile, "mossy stone floor");
        request.seed = Some(7);
        request.model = ModelRef::Folder("models/sdxl".into());
        request.scheduler = Some(SchedulerKind::Dpmpp2m);
        request.loras = vec![LoraRef { path: "loras/pixel.safetensors".into(), weight: 0.8 }];
        (request.init_image, request.mask) = (Some("a.png".into()), Some("mask.png".into()));
        (request.strength, request.seamless, request.clip_skip) = (Some(0.4), Seamless::BOTH, 1);
        request.animation = Some(Animation { motion: Motion::Text("jumping".into()), ..Animation::default() });
        request.vae = Some("vae.safetensors".into());
        let text = ron::to_string(&request).unwrap();
        assert_eq!(ron::from_str::<Request>(&text).unwrap(), request);
    }

    #[test]
    fn options_are_written_as_people_would() {
        let text = r#"(prompt: "a knight", model: file("sdxl.safetensors"), loras: [(path: "pixel.safetensors")],
            seamless: (x: true), animation: Some((frames: 6, motion: walk)))"#;
        let request: Request = ron::from_str(text).unwrap();
        assert_eq!(request.loras[0].weight, 1.0);
        assert_eq!((request.seamless.x, request.seamless.y), (true, false));
        assert_eq!(request.animation.as_ref().map(|a| (a.frames, a.motion.clone())), Some((6, Motion::Walk)));
        assert_eq!((request.frames(), request.validate()), (6, Ok(())));
        assert!(ron::from_str::<Request>(r#"(prompt: "x", animation: Some((frame: 6)))"#).is_err());
    }

    #[test]
    fn a_misspelt_field_is_an_error() {
        let error = ron::from_str::<Request>(r#"(promt: "a blue potion")"#).unwrap_err().to_string();
        assert!(error.contains("promt"), "{error}");
    }

    #[test]
    fn out_of_range_fields_are_named() {
        let check = |change: fn(&mut Request), expected: &str| {
            let mut request = Request::new(Kind::Item, "x");
            change(&mut request);
            let error = request.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(|r| r.prompt = " \n".into(), "prompt is empty");
        check(|r| r.size_px = 7, "size_px is 7, expected 8 to 512");
        check(|r| r.count = 0, "count is 0");
        check(|r| r.steps = Some(0), "steps is 0");
        check(|r| r.guidance_scale = Some(f32::NAN), "guidance_scale is NaN");
        check(|r| r.pixel_art.colors = Some(1), "pixel_art.colors is 1");
        check(|r| r.prompt = "a".repeat(4001), "4001 characters");
        check(|r| r.clip_skip = 11, "clip_skip is 11, expected 0 to 10");
        check(|r| r.loras = vec!["a:0.5".parse().unwrap(); 9], "the number of loras is 9");
        check(|r| r.loras = vec!["a:inf".parse().unwrap()], "the weight of a lora is inf");
        check(|r| r.mask = Some("m.png".into()), "there is a mask but no init_image");
        check(|r| r.strength = Some(0.5), "there is a strength but no init_image");
        check(|r| r.strength = Some(0.0), "strength is 0");
        let animate = |change: fn(&mut Animation), expected: &str| {
            let mut request = Request::new(Kind::Item, "x");
            change(request.animation.insert(Animation::default()));
            let error = request.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        animate(|a| a.frames = 1, "animation.frames is 1, expected 2 to 16");
        animate(|a| a.frame_ms = 0, "animation.frame_ms is 0");
        animate(|a| a.variation = Some(f32::NAN), "animation.variation is NaN");
        animate(|a| a.motion = Motion::Text(" ".into()), "motion is empty");
    }
}
