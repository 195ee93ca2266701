//! What a request means for one model: every default filled in, every size checked.

use pixgen_api::{Anchor, Background, PixelArt, Request, Scale, SchedulerKind};

use crate::{EngineError, ModelInfo};

/// A request that can be drawn as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The request with every default of the model filled in; drawing it again gives the same sprites.
    pub request: Request,
    /// The text that the model is given.
    pub prompt: String,
    /// The text for each frame of an animation; empty for a still.
    pub frame_prompts: Vec<String>,
    /// Edge of the picture to paint, in pixels.
    pub image_px: u32,
    /// Edge of the sprite before it is enlarged, in pixels.
    pub native_size_px: u32,
    /// Whole number by which the finished sprite is enlarged.
    pub enlarge: u32,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance_scale: f32,
    /// Guidance rescale.
    pub guidance_rescale: f32,
    /// The solver.
    pub scheduler: SchedulerKind,
    /// How far the result may leave the picture that it begins with; only looked at where there is one.
    pub strength: f32,
    /// Seed of the first image.
    pub seed: u64,
    /// The pixel-art pass.
    pub fix: PixelArt,
    /// What the user should know before the first step.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Resolves a request for a model. `fresh_seed` is used when the request names no seed.
    ///
    /// # Errors
    /// When the request is out of range, or the model cannot draw its size.
    pub fn new(request: &Request, model: &ModelInfo, fresh_seed: u64) -> Result<Self, EngineError> {
        request.validate()?;
        let Some((native, enlarge)) = model.fit(request.size_px) else {
            let usable: Vec<_> = model.native_sizes.iter().map(|n| format!("{} px", n.sprite_px)).collect();
            return Err(EngineError::Size {
                size_px: request.size_px,
                model: model.name.clone(),
                usable: usable.join(" or "),
            });
        };
        let mut warnings = Vec::new();
        if enlarge > 1 {
            warnings.push(format!(
                "{} draws {} px natively: the sprite is drawn at that size and enlarged {enlarge} times",
                model.name, native.sprite_px
            ));
        }
        let steps = request.steps.unwrap_or(model.steps);
        let guidance_scale = request.guidance_scale.unwrap_or(model.guidance_scale);
        let guidance_rescale = request.guidance_rescale.unwrap_or(model.guidance_rescale);
        let scheduler = request.scheduler.unwrap_or(model.scheduler);
        let strength = request.strength.unwrap_or(Request::DEFAULT_STRENGTH);
        let seed = request.seed.unwrap_or(fresh_seed);
        let cut_out = match request.pixel_art.background {
            Background::Auto => request.kind.is_cut_out(),
            Background::Keep => false,
            Background::Remove | Background::KeyColor(_) => true,
        };
        // What is repainted in part stays in its place, so that the rest of the picture is not moved.
        let moves = cut_out && request.mask.is_none();
        let anchor = request.pixel_art.anchor.unwrap_or(if moves { request.kind.anchor() } else { Anchor::Keep });
        let filled = Request {
            seed: Some(seed),
            steps: Some(steps),
            guidance_scale: Some(guidance_scale),
            guidance_rescale: Some(guidance_rescale),
            scheduler: Some(scheduler),
            strength: request.init_image.is_some().then_some(strength),
            ..request.clone()
        };
        let prompt_for =
            |words: &str| model.prompt(request.kind, &format!("{}{words}", request.prompt.trim()), cut_out);
        let frame_prompts = request.animation.iter().flat_map(|animation| {
            let words = |frame| animation.motion.words(frame, animation.frames, model.frame_words);
            (0..animation.frames).map(move |frame| prompt_for(&format!(", {}", words(frame))))
        });
        Ok(Self {
            prompt: prompt_for(""),
            frame_prompts: frame_prompts.collect(),
            strength,
            request: filled,
            image_px: native.image_px,
            native_size_px: native.sprite_px,
            enlarge,
            steps,
            guidance_scale,
            guidance_rescale,
            scheduler,
            seed,
            fix: PixelArt {
                scale: Scale::Factor((native.image_px / native.sprite_px) as f32),
                background: match request.pixel_art.background {
                    Background::Auto if cut_out => Background::Remove,
                    Background::Auto => Background::Keep,
                    chosen => chosen,
                },
                anchor: Some(anchor),
                ..request.pixel_art.clone()
            },
            warnings,
        })
    }

    /// The request that draws image `image` of this plan alone.
    #[must_use]
    pub fn single(&self, image: u32) -> Request {
        Request { count: 1, seed: Some(self.image_seed(image)), ..self.request.clone() }
    }

    /// The seed of image `image`.
    #[must_use]
    pub fn image_seed(&self, image: u32) -> u64 {
        self.seed.wrapping_add(image.into())
    }
}

#[cfg(test)]
mod tests {
    use pixgen_api::Kind;

    use super::*;
    use crate::FakeBackend;

    fn plan(change: impl FnOnce(&mut Request)) -> Result<Plan, EngineError> {
        let mut request = Request::new(Kind::Character, "a knight");
        change(&mut request);
        Plan::new(&request, &FakeBackend::model_info(), 42)
    }

    #[test]
    fn a_plan_draws_the_same_again() {
        let first = plan(|_| ()).unwrap();
        let again = Plan::new(&first.request, &FakeBackend::model_info(), 7).unwrap();
        assert_eq!(first, again);
        assert_eq!(first.seed, 42);
    }

    #[test]
    fn a_kind_decides_background_and_anchor() {
        let knight = plan(|_| ()).unwrap();
        assert!(knight.fix.background == Background::Remove && knight.fix.anchor == Some(Anchor::Feet));
        let tile = plan(|r| r.kind = Kind::Tile).unwrap();
        assert!(tile.fix.background == Background::Keep && tile.fix.anchor == Some(Anchor::Keep));
    }

    #[test]
    fn a_multiple_is_enlarged_with_a_warning_and_other_sizes_name_what_is_usable() {
        let large = plan(|r| r.size_px = 96).unwrap();
        assert_eq!((large.native_size_px, large.enlarge, large.warnings.len()), (32, 3, 1));
        let error = plan(|r| r.size_px = 40).unwrap_err().to_string();
        assert!(error.contains("40 px") && error.contains("16 px or 32 px"), "{error}");
        let error = plan(|r| r.size_px = 7).unwrap_err().to_string();
        assert!(error.contains("size_px is 7"), "{error}");
    }

    #[test]
    fn frames_are_told_apart_where_the_model_knows_words_for_it() {
        use pixgen_api::{Animation, Motion};
        let animation = Some(Animation { motion: Motion::Walk, ..Animation::default() });
        let short = plan(|r| r.animation = animation.clone()).unwrap();
        assert_eq!(short.frame_prompts, vec!["character, a knight, walking"; 4]);
        let request = Request { animation, ..Request::new(Kind::Character, "a knight") };
        let long = ModelInfo { frame_words: true, ..FakeBackend::model_info() };
        let prompts = Plan::new(&request, &long, 1).unwrap().frame_prompts;
        assert!(prompts[0] != prompts[1] && prompts.iter().all(|prompt| prompt.contains("walking, ")), "{prompts:?}");
    }

    #[test]
    fn what_is_repainted_in_part_stays_in_its_place() {
        let repaint = |r: &mut Request| (r.init_image, r.mask) = (Some("a.png".into()), Some("m.png".into()));
        let repainted = plan(repaint).unwrap();
        let expected = (Some(Anchor::Keep), Some(Request::DEFAULT_STRENGTH));
        assert_eq!((repainted.fix.anchor, repainted.request.strength), expected);
        assert_eq!(plan(|_| ()).unwrap().request.strength, None);
    }

    #[test]
    fn the_images_of_a_job_count_their_seeds_up() {
        let plan = plan(|r| r.seed = Some(u64::MAX)).unwrap();
        assert_eq!((plan.image_seed(0), plan.image_seed(1)), (u64::MAX, 0));
    }
}
