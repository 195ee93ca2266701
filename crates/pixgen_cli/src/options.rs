//! What can be said about a drawing: one vocabulary for flags, lines of a batch, columns of a CSV and style files.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, ValueEnum};
use pixgen_api::{Kind, Request, SchedulerKind, Seamless};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::SettingFlags;
use crate::context::Context as Surroundings;
use crate::exit::{OrUsage, usage};
use crate::look::LookOptions;
use crate::nearest::nearest;
use crate::recipes::read_recipe;

/// The options of a drawing; what is not said is left to the style, the settings and the model.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DrawOptions {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,

    /// What to keep out of the picture.
    #[arg(long, value_name = "WORDS", help_heading = "Prompt")]
    pub(crate) negative_prompt: Option<String>,
    /// Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes
    /// it.
    #[arg(long, value_name = "FILE", help_heading = "Prompt")]
    pub(crate) recipe: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) look: LookOptions,

    /// Seed of the first sprite [default: drawn].
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub(crate) seed: Option<u64>,
    /// Denoising steps [default: the model's].
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub(crate) steps: Option<u32>,
    /// How closely the prompt is followed, 1 to 30 [default: the model's].
    #[arg(long, visible_alias = "guidance", value_name = "SCALE", help_heading = "Sampling")]
    pub(crate) guidance_scale: Option<f32>,
    /// How far strong guidance is toned down, 0 to 1 [default: the model's].
    #[arg(long, value_name = "SHARE", help_heading = "Sampling")]
    pub(crate) guidance_rescale: Option<f32>,
    /// The solver [default: the model's].
    #[arg(long, value_parser = choice(&SchedulerKind::ALL), help_heading = "Sampling")]
    pub(crate) scheduler: Option<SchedulerKind>,

    /// An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times.
    #[arg(long = "lora", value_name = "NAME[:WEIGHT]", help_heading = "Model")]
    pub(crate) loras: Vec<String>,
    /// Another autoencoder than the model's own: a .safetensors file, or a folder in diffusers layout.
    #[arg(long, value_name = "PATH", help_heading = "Model")]
    pub(crate) vae: Option<PathBuf>,
    /// Layers of the text encoders that are skipped [default: 0].
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) clip_skip: Option<u32>,

    /// Start from this picture instead of noise.
    #[arg(long, value_name = "IMAGE", help_heading = "Start from a picture")]
    pub(crate) from: Option<PathBuf>,
    /// How much of the picture is drawn anew, 0 to 1 [default: 0.6].
    #[arg(long, value_name = "SHARE", help_heading = "Start from a picture")]
    pub(crate) strength: Option<f32>,
    /// Draw anew only where this picture is white.
    #[arg(long, value_name = "IMAGE", help_heading = "Start from a picture")]
    pub(crate) mask: Option<PathBuf>,
}

/// Along which axes a picture repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeamlessAxes {
    /// It does not.
    None,
    /// From left to right.
    X,
    /// From top to bottom.
    Y,
    /// Both ways.
    Both,
}

impl From<SeamlessAxes> for Seamless {
    fn from(axes: SeamlessAxes) -> Self {
        Self {
            x: matches!(axes, SeamlessAxes::X | SeamlessAxes::Both),
            y: matches!(axes, SeamlessAxes::Y | SeamlessAxes::Both),
        }
    }
}

/// A drawing option as a command of its own, so that lines of a batch and styles are read by the same parser as flags.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    options: DrawOptions,
}

impl DrawOptions {
    /// Reads `key=value` pairs: keys are the long flags without dashes, `_` and `-` are the same.
    ///
    /// # Errors
    /// A key that is no option, with the nearest one, or a value that cannot be read.
    pub(crate) fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> anyhow::Result<Self> {
        let known = option_names();
        let mut arguments = Vec::new();
        for (key, value) in pairs {
            let name = key.trim().replace('_', "-").to_lowercase();
            if name == "device" {
                return Err(usage("the device is the whole command's: say --device, or set DGX_PIXELS_DEVICE"));
            }
            if !known.contains(&name) {
                let hint = nearest(&name, known.iter().map(String::as_str));
                let hint = hint.map_or_else(|| known.join(", "), |name| format!("did you mean \"{name}\"?"));
                return Err(usage(format!("there is no option \"{key}\": {hint}")));
            }
            arguments.push(format!("--{name}={}", value.trim()));
        }
        let line = Line::try_parse_from(&arguments).map_err(|error| usage(first_sentence(&error)))?;
        Ok(line.options)
    }

    /// These options, and where they say nothing, the weaker ones.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            settings: SettingFlags {
                model: self.settings.model.or(weaker.settings.model),
                device: self.settings.device.or(weaker.settings.device),
                style: self.settings.style.or(weaker.settings.style),
                size: self.settings.size.or(weaker.settings.size),
            },
            negative_prompt: self.negative_prompt.or(weaker.negative_prompt),
            recipe: self.recipe.or(weaker.recipe),
            look: self.look.over(weaker.look),
            seed: self.seed.or(weaker.seed),
            steps: self.steps.or(weaker.steps),
            guidance_scale: self.guidance_scale.or(weaker.guidance_scale),
            guidance_rescale: self.guidance_rescale.or(weaker.guidance_rescale),
            scheduler: self.scheduler.or(weaker.scheduler),
            loras: if self.loras.is_empty() { weaker.loras } else { self.loras },
            vae: self.vae.or(weaker.vae),
            clip_skip: self.clip_skip.or(weaker.clip_skip),
            from: self.from.or(weaker.from),
            strength: self.strength.or(weaker.strength),
            mask: self.mask.or(weaker.mask),
        }
    }

    /// The request that these options make of a kind and a prompt. Options win over the style that was asked for, the
    /// style over the recipe and that over the settings: a recipe draws the same sprite whoever has set what.
    ///
    /// # Errors
    /// A name that is not known, a file that cannot be read, or a number out of range.
    pub(crate) fn request(
        &self,
        surroundings: &Surroundings,
        kind: Option<Kind>,
        prompt: Option<&str>,
    ) -> anyhow::Result<Request> {
        let base = match &self.recipe {
            Some(path) => read_recipe(path, &surroundings.settings, &|what| self.gives(what))?,
            None => Request::default(),
        };
        let settings = &surroundings.settings;
        let setting = |name| settings.chosen(name).filter(|_| self.recipe.is_none());
        let style = self.settings.style.as_deref().or(setting("style"));
        let style = style.map(|name| surroundings.styles.find(name)).transpose()?;
        let mut options = self.clone();
        if let Some(style) = &style {
            options = options.over(style.options()?);
        }
        let mut request = Request { kind: kind.unwrap_or(base.kind), ..base };
        if let Some(prompt) = prompt {
            request.prompt = prompt.trim().to_owned();
        }
        if let Some(words) = &options.negative_prompt {
            request.negative_prompt.clone_from(words);
        }
        if let Some(model) = options.settings.model.as_deref().or(setting("model")) {
            request.model = surroundings.model(model)?;
        }
        let size_setting = || if self.recipe.is_none() { settings.number("size") } else { Ok(None) };
        if let Some(size_px) = options.settings.size.map_or_else(size_setting, |size| Ok(Some(size)))? {
            request.size_px = size_px;
        }
        // The words of a recipe are as they were drawn, with those of their style.
        if let Some(style) = style.as_ref().filter(|_| prompt.is_some() || self.recipe.is_none()) {
            style.dress(&mut request);
        }
        request.seed = options.seed.or(request.seed);
        request.steps = options.steps.or(request.steps);
        request.guidance_scale = options.guidance_scale.or(request.guidance_scale);
        request.guidance_rescale = options.guidance_rescale.or(request.guidance_rescale);
        request.scheduler = options.scheduler.or(request.scheduler);
        options.apply_files(surroundings, &mut request)?;
        options.look.apply(&mut request.pixel_art)?;
        request.validate().or_usage()?;
        Ok(request)
    }

    /// Whether a flag takes the place of a file of the recipe.
    fn gives(&self, what: &str) -> bool {
        match what {
            "model" => self.settings.model.is_some(),
            "vae" => self.vae.is_some(),
            "LoRA" => !self.loras.is_empty(),
            "init_image" => self.from.is_some(),
            "mask" => self.mask.is_some(),
            "palette" => self.look.palette.is_some(),
            _ => false,
        }
    }

    /// Fills the options that name files. They are looked for now: a missing one must not be found out after the model
    /// is loaded.
    fn apply_files(&self, surroundings: &Surroundings, request: &mut Request) -> anyhow::Result<()> {
        if !self.loras.is_empty() {
            request.loras = self.loras.iter().map(|lora| surroundings.lora(lora)).collect::<Result<_, _>>()?;
        }
        let there = |path: &PathBuf| {
            // Relative paths are the terminal's; what is written into the sprite should find the file from anywhere.
            let path = std::path::absolute(path).or_usage_in(path.display())?;
            path.metadata().map(|_| path.clone()).or_usage_in(path.display())
        };
        if let Some(path) = &self.vae {
            request.vae = Some(there(path)?);
        }
        if let Some(path) = &self.from {
            request.init_image = Some(there(path)?);
            request.strength = None;
        }
        if let Some(path) = &self.mask {
            request.mask = Some(there(path)?);
        }
        for (flag, is_said) in [("strength", self.strength.is_some()), ("mask", self.mask.is_some())] {
            if is_said && request.init_image.is_none() {
                return Err(usage(format!("{flag} needs a picture to start from: say --from IMAGE too")));
            }
        }
        request.strength = self.strength.or(request.strength);
        request.clip_skip = self.clip_skip.unwrap_or(request.clip_skip);
        Ok(())
    }
}

/// The long names of all options.
pub(crate) fn option_names() -> Vec<String> {
    let command = Line::command();
    command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
}

/// A parser for the values of an enum by their names in recipes, with `-` for `_`.
pub(crate) fn choice<T>(all: &'static [T]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    // clap keeps names for as long as the program runs.
    let names: Vec<&'static str> = all.iter().filter_map(name_of).map(|name| &*name.leak()).collect();
    PossibleValuesParser::new(names).try_map(|text| {
        serde_json::from_value::<T>(serde_json::Value::String(text.replace('-', "_"))).context("no such choice")
    })
}

/// The name of a unit variant, with `-` for `_`.
pub(crate) fn name_of<T: Serialize>(value: &T) -> Option<String> {
    let name = serde_json::to_value(value).ok()?;
    name.as_str().map(|name| name.replace('_', "-"))
}

/// The part of clap's message that says what is wrong, without usage lines.
fn first_sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let text: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    text.join("; ").trim_start_matches("error: ").replace("--", "")
}

#[cfg(test)]
mod tests {
    use pixgen_api::{Background, Dither, HexColor, OutlineEdit, OutlineSide};

    use super::*;

    #[test]
    fn pairs_are_read_like_flags() {
        let pairs = [("size", "16"), ("Guidance_Scale", "2.5"), ("outline", "inner:#101010"), ("holes", "true")];
        let options = DrawOptions::from_pairs(pairs).unwrap();
        assert_eq!(
            (options.settings.size, options.guidance_scale, options.look.holes),
            (Some(16), Some(2.5), Some(true))
        );
        let color = HexColor([16; 3]);
        assert_eq!(options.look.outline, Some(OutlineEdit::Add { color, side: OutlineSide::Inner, corners: false }));
    }

    #[test]
    fn mistakes_are_named_with_a_way_out() {
        for (pair, expected) in [
            (("sise", "16"), "no option \"sise\": did you mean \"size\"?"),
            (("size", "big"), "invalid value 'big' for 'size <PX>'"),
            (("dither", "bayer3"), "bayer2"),
            (("outline", "red"), "expected keep, remove"),
            (("device", "cpu"), "say --device"),
            (("background", "#12"), "six hexadecimal digits"),
        ] {
            let error = DrawOptions::from_pairs([pair]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("Usage"), "{error}");
        }
    }

    #[test]
    fn the_stronger_option_wins_and_the_other_background_is_forgotten() {
        let strong = DrawOptions::from_pairs([("size", "16"), ("background", "remove")]).unwrap();
        let weak = DrawOptions::from_pairs([("size", "32"), ("colors", "4"), ("keep-background", "true")]).unwrap();
        let both = strong.over(weak);
        assert_eq!((both.settings.size, both.look.colors), (Some(16), Some(4)));
        assert_eq!((both.look.background, both.look.keep_background), (Some(Background::Remove), None));
    }

    #[test]
    fn every_name_of_a_choice_is_read_back() {
        for dither in Dither::ALL {
            let name = name_of(&dither).unwrap();
            assert_eq!(DrawOptions::from_pairs([("dither", name.as_str())]).unwrap().look.dither, Some(dither));
        }
        for scheduler in SchedulerKind::ALL {
            let name = name_of(&scheduler).unwrap();
            assert_eq!(DrawOptions::from_pairs([("scheduler", name.as_str())]).unwrap().scheduler, Some(scheduler));
        }
    }
}
