//! The dictionary of adapter files: every spelling of every layer of the loaded model.
//!
//! It is made from the names of the model's own weights, so that underscored names are looked up and never taken
//! apart: `to_out_0` and `time_emb_proj` cannot be told apart from their separators.

use std::collections::{BTreeMap, HashMap};

use candle_core::Shape;

use crate::ldm_names::UnetLayout;
use crate::params::Params;

/// A layer of the model that an adapter may change.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index of the component in [`COMPONENTS`].
    pub(super) component: usize,
    /// Name of the layer in the component's [`Params`].
    pub(super) path: String,
    pub(super) weight: Option<Shape>,
    pub(super) bias: Option<Shape>,
    /// Whether the layer is one that this crate never computes, because SDXL does not use its output.
    pub(super) idle: bool,
}

/// What can be changed, in the order in which [`Keys::new`] takes it.
pub(super) const COMPONENTS: [&str; 3] = ["unet", "text_encoder", "text_encoder_2"];
const UNET: usize = 0;

/// Spellings and places.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: Vec<Place>,
    spellings: HashMap<String, usize>,
    /// Spellings that two places claim; there is none in a model of SDXL's shape.
    ambiguous: Vec<String>,
}

impl Keys {
    pub(super) fn new(params: [&Params; 3]) -> Self {
        let mut keys = Self::default();
        for (component, params) in params.into_iter().enumerate() {
            let places = places(component, params);
            if component == UNET {
                keys.add_unet(places);
            } else {
                keys.add_text_encoder(places);
            }
        }
        for spelling in &keys.ambiguous {
            tracing::warn!(spelling, "two layers of the model have the same name in LoRA files");
        }
        keys
    }

    /// The layer that a file's module means.
    pub(super) fn find(&self, module: &str) -> Option<&Place> {
        self.spellings.get(module).map(|index| &self.places[*index])
    }

    fn add_unet(&mut self, places: Vec<Place>) {
        let layout = UnetLayout::of(places.iter().map(|place| place.path.as_str()));
        for place in places {
            let path = place.path.clone();
            let ldm = layout.ldm(&path);
            let index = self.place(place);
            // Before PEFT, diffusers kept adapters of attention layers in processors, and the index of `to_out` out.
            let mut dotted = vec![path.clone()];
            for (new, old) in [("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out.0", "to_out")] {
                if let Some(attention) = path.strip_suffix(new).filter(|rest| rest.ends_with('.')) {
                    dotted.push(format!("{attention}processor.{old}"));
                    if old != new {
                        dotted.push(format!("{attention}{old}"));
                    }
                }
            }
            for name in &dotted {
                for prefix in ["", "unet.", "base_model.model.", "diffusion_model."] {
                    self.spell(format!("{prefix}{name}"), index);
                }
            }
            for name in [Some(&path), ldm.as_ref()].into_iter().flatten() {
                let flat = name.replace('.', "_");
                for prefix in ["lora_unet_", "lycoris_unet_", "lycoris_"] {
                    self.spell(format!("{prefix}{flat}"), index);
                }
            }
            if let Some(ldm) = ldm {
                for prefix in ["diffusion_model.", "model.diffusion_model."] {
                    self.spell(format!("{prefix}{ldm}"), index);
                }
            }
        }
    }

    fn add_text_encoder(&mut self, places: Vec<Place>) {
        const INNER: &str = "text_model.";
        for place in places {
            let component = place.component;
            let (dotted_prefix, flat_prefix, comfy) = match component {
                1 => ("text_encoder", "lora_te1", "clip_l"),
                _ => ("text_encoder_2", "lora_te2", "clip_g"),
            };
            let path = place.path.strip_prefix(INNER).unwrap_or(&place.path).to_owned();
            let index = self.place(place);
            let mut names = vec![path.clone()];
            let olds = [("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")];
            for (new, old) in olds {
                if let Some(attention) = path.strip_suffix(new).filter(|rest| rest.ends_with('.')) {
                    names.push(format!("{attention}{old}"));
                }
            }
            for name in names {
                for name in [name.clone(), format!("{INNER}{name}")] {
                    self.spell(format!("{dotted_prefix}.{name}"), index);
                    self.spell(format!("{flat_prefix}_{}", name.replace('.', "_")), index);
                    self.spell(format!("text_encoders.{comfy}.{name}"), index);
                    self.spell(format!("text_encoders.{comfy}.transformer.{name}"), index);
                }
            }
        }
    }

    fn place(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }

    fn spell(&mut self, spelling: String, index: usize) {
        match self.spellings.get(&spelling) {
            Some(other) if *other != index => self.ambiguous.push(spelling),
            _ => {
                self.spellings.insert(spelling, index);
            }
        }
    }
}

/// The layers of a component, from the names of its weights.
fn places(component: usize, params: &Params) -> Vec<Place> {
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    for (name, shape) in params.shapes() {
        let Some((path, end)) = name.rsplit_once('.') else { continue };
        let place = places.entry(path).or_insert_with(|| Place {
            component,
            path: path.to_owned(),
            weight: None,
            bias: None,
            idle: false,
        });
        match end {
            "weight" => place.weight = Some(shape.clone()),
            "bias" => place.bias = Some(shape.clone()),
            _ => {}
        }
    }
    let mut places: Vec<_> = places.into_values().collect();
    if component != UNET {
        let idle = idle_places(&places);
        places.extend(idle);
    }
    places
}

/// SDXL reads the last but one state of the first text encoder, so its last layer is never loaded. Trainers make
/// adapters for it all the same: they must be known, and change nothing.
fn idle_places(places: &[Place]) -> Vec<Place> {
    const LAYERS: &str = "encoder.layers.";
    let layer = |place: &Place| -> Option<usize> { place.path.split_once(LAYERS)?.1.split('.').next()?.parse().ok() };
    let has = |end: &str| places.iter().any(|place| place.path.ends_with(end));
    let Some(last) = places.iter().filter_map(layer).max() else { return Vec::new() };
    if has("final_layer_norm") {
        return Vec::new();
    }
    let idle = |path: String, place: &Place| Place { path, idle: true, ..place.clone() };
    let mut out = Vec::new();
    for place in places.iter().filter(|place| layer(place) == Some(last)) {
        let (from, to) = (format!("{LAYERS}{last}."), format!("{LAYERS}{}.", last + 1));
        out.push(idle(place.path.replace(&from, &to), place));
        if let Some(start) = place.path.strip_suffix(&format!("{from}layer_norm1")) {
            out.push(idle(format!("{start}final_layer_norm"), place));
        }
    }
    out
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
