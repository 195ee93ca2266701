//! What a file says of itself: the metadata of sd-scripts, of the modelspec and of PEFT, and what its tensors betray.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;

use super::file::{Change, Module, Scale};
use super::{LoraError, LoraKind};

/// How many trigger words are told.
const MAX_TRIGGER_WORDS: usize = 64;

/// What an adapter file is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoraInfo {
    /// The kinds of modules in it, each once.
    pub kinds: Vec<LoraKind>,
    /// The largest rank of its modules; `None` if none has one.
    pub rank: Option<usize>,
    /// Layers of a model that it changes.
    pub modules: usize,
    /// The model that it was trained on, as the metadata says (`ss_base_model_version`, `modelspec.architecture`).
    pub base_model: Option<String>,
    /// The name that its author gave it (`modelspec.title`, `ss_output_name`).
    pub title: Option<String>,
    /// The words of its training captions and how often they occurred (`ss_tag_frequency`), the most frequent first,
    /// at most 64.
    pub trigger_words: Vec<(String, u64)>,
    /// The family of models that it was made for, if its tensors or its metadata show it.
    pub family: Option<ModelFamily>,
    /// How the family was seen.
    pub(super) evidence: String,
}

/// A family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelFamily {
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x.
    Sd2,
    /// Stable Diffusion XL and models of its shape.
    Sdxl,
    /// The refiner of Stable Diffusion XL.
    SdxlRefiner,
    /// Stable Diffusion 3 and 3.5.
    Sd3,
    /// FLUX.
    Flux,
    /// Another diffusion transformer.
    Transformer,
}

impl fmt::Display for ModelFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sd1 => "Stable Diffusion 1.x",
            Self::Sd2 => "Stable Diffusion 2.x",
            Self::Sdxl => "SDXL",
            Self::SdxlRefiner => "SDXL's refiner",
            Self::Sd3 => "Stable Diffusion 3",
            Self::Flux => "FLUX",
            Self::Transformer => "a diffusion transformer",
        })
    }
}

impl ModelFamily {
    /// Whether a module with this name can only belong to the family.
    pub(super) fn of_module(name: &str) -> Option<Self> {
        const MARKS: [(&str, ModelFamily); 12] = [
            ("double_blocks", ModelFamily::Flux),
            ("single_blocks", ModelFamily::Flux),
            ("single_transformer_blocks", ModelFamily::Flux),
            ("joint_blocks", ModelFamily::Sd3),
            ("lora_te3_", ModelFamily::Sd3),
            ("text_encoder_3.", ModelFamily::Sd3),
            ("text_encoders.t5xxl", ModelFamily::Transformer),
            ("attn.add_k_proj", ModelFamily::Sd3),
            ("attn_add_k_proj", ModelFamily::Sd3),
            ("transformer.transformer_blocks.", ModelFamily::Transformer),
            ("transformer.blocks.", ModelFamily::Transformer),
            ("diffusion_model.blocks.", ModelFamily::Transformer),
        ];
        MARKS.iter().find(|(mark, _)| name.contains(mark)).map(|(_, family)| *family)
    }

    /// From the channels of the text that a cross-attention reads.
    fn of_context(channels: usize) -> Option<Self> {
        match channels {
            768 => Some(Self::Sd1),
            1024 => Some(Self::Sd2),
            1280 => Some(Self::SdxlRefiner),
            2048 => Some(Self::Sdxl),
            _ => None,
        }
    }

    /// From the metadata of sd-scripts and of the modelspec.
    fn of_metadata(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let known = [
            ("refiner", Self::SdxlRefiner),
            ("sdxl", Self::Sdxl),
            ("xl", Self::Sdxl),
            ("sd_v1", Self::Sd1),
            ("sd1", Self::Sd1),
            ("stable-diffusion-v1", Self::Sd1),
            ("sd_v2", Self::Sd2),
            ("stable-diffusion-v2", Self::Sd2),
            ("sd3", Self::Sd3),
            ("stable-diffusion-3", Self::Sd3),
            ("flux", Self::Flux),
        ];
        known.into_iter().find(|(mark, _)| text.contains(mark)).map(|(_, family)| family)
    }
}

impl LoraInfo {
    pub(super) fn new(modules: &[Module], keys: &[String], metadata: &HashMap<String, String>) -> Self {
        let mut info = Self { modules: modules.len(), ..Self::default() };
        for module in modules {
            let mut add = |kind| {
                if !info.kinds.contains(&kind) {
                    info.kinds.push(kind);
                }
            };
            match &module.weight {
                Some(change) => add(change.kind()),
                None => add(LoraKind::Diff),
            }
            if module.magnitude.is_some() {
                add(LoraKind::Dora);
            }
            info.rank = info.rank.max(module.weight.as_ref().and_then(Change::rank));
        }
        let field = |names: &[&str]| names.iter().find_map(|name| metadata.get(*name)).cloned();
        info.base_model = field(&["ss_base_model_version", "modelspec.architecture", "ss_sd_model_name"]);
        info.title = field(&["modelspec.title", "ss_output_name"]);
        info.trigger_words = metadata.get("ss_tag_frequency").map(|text| trigger_words(text)).unwrap_or_default();
        if let Some((family, evidence)) = detect(modules, keys, info.base_model.as_deref()) {
            (info.family, info.evidence) = (Some(family), evidence);
        }
        info
    }
}

/// The family of a file, and how it was seen: names that only one family has, then the width of the text, then the
/// metadata.
fn detect(modules: &[Module], keys: &[String], base_model: Option<&str>) -> Option<(ModelFamily, String)> {
    for key in keys {
        if let Some(family) = ModelFamily::of_module(key) {
            // A transformer's own blocks name their family more exactly further on.
            let exact = keys.iter().filter_map(|key| ModelFamily::of_module(key));
            let family = exact.into_iter().find(|a| *a != ModelFamily::Transformer).unwrap_or(family);
            return Some((family, format!("it has {key}")));
        }
    }
    for module in modules {
        let name = module.name.replace('.', "_");
        if !(name.ends_with("attn2_to_k") || name.ends_with("attn2_to_v")) {
            continue;
        }
        let Some(channels) = module.weight.as_ref().and_then(|change| change.shape().get(1).copied()) else { continue };
        if let Some(family) = ModelFamily::of_context(channels) {
            return Some((family, format!("{} reads text of {channels} channels", module.name)));
        }
    }
    let base_model = base_model?;
    Some((ModelFamily::of_metadata(base_model)?, format!("its metadata names {base_model}")))
}

/// `{"folder": {"word": count}}` as words with their counts.
fn trigger_words(text: &str) -> Vec<(String, u64)> {
    let Ok(folders) = serde_json::from_str::<BTreeMap<String, BTreeMap<String, Value>>>(text) else {
        tracing::warn!("the LoRA's ss_tag_frequency cannot be read: it has no trigger words");
        return Vec::new();
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (word, count) in folders.into_values().flatten() {
        let entry = counts.entry(word.trim().to_owned()).or_default();
        *entry = entry.saturating_add(count.as_u64().unwrap_or(0));
    }
    let mut words: Vec<_> = counts.into_iter().filter(|(word, _)| !word.is_empty()).collect();
    // The sort is stable: words that are equally frequent stay in the order of the alphabet.
    words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    words.truncate(MAX_TRIGGER_WORDS);
    words
}

/// The only place where a file of PEFT keeps its alphas: `lora_adapter_metadata`, the configuration of each component.
#[derive(Debug, Default)]
pub(super) struct PeftConfig {
    fields: BTreeMap<String, Value>,
}

impl PeftConfig {
    pub(super) fn read(metadata: &HashMap<String, String>, file: &str) -> Result<Self, LoraError> {
        const FIELD: &str = "lora_adapter_metadata";
        let Some(text) = metadata.get(FIELD) else { return Ok(Self::default()) };
        let refuse = |reason: String| LoraError::Metadata { file: file.to_owned(), field: FIELD.to_owned(), reason };
        let fields: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|error| refuse(format!("it is no JSON object: {error}")))?;
        for (name, value) in &fields {
            let field = name.rsplit('.').next().unwrap_or_default();
            let is_number = |value: &Value| value.as_f64().is_some_and(f64::is_finite);
            let fine = match field {
                "lora_alpha" => is_number(value),
                "alpha_pattern" => value.is_null() || value.as_object().is_some_and(|map| map.values().all(is_number)),
                "use_rslora" => value.is_null() || value.is_boolean(),
                _ => true,
            };
            if !fine {
                return Err(refuse(format!("{name} is {value}")));
            }
        }
        Ok(Self { fields })
    }

    /// The scale of a module, as `unet.mid_block.attentions.0.proj_in`.
    pub(super) fn scale(&self, module: &str) -> Scale {
        const COMPONENTS: [&str; 3] = ["unet", "text_encoder", "text_encoder_2"];
        let prefixed = COMPONENTS.iter().find_map(|name| Some((*name, module.strip_prefix(name)?.strip_prefix('.')?)));
        let (component, path) = prefixed.unwrap_or(("unet", module));
        let field = |name: &str| self.fields.get(&format!("{component}.{name}")).or_else(|| self.fields.get(name));
        // A pattern is the end of a module's path; PEFT reads it as a regular expression, which diffusers never writes.
        let by_pattern = field("alpha_pattern").and_then(Value::as_object).and_then(|patterns| {
            patterns.iter().find_map(|(pattern, alpha)| {
                let whole = pattern.starts_with('^');
                let pattern = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
                let rest = path.strip_suffix(pattern.as_str())?;
                if rest.is_empty() || (!whole && rest.ends_with('.')) { alpha.as_f64() } else { None }
            })
        });
        Scale {
            alpha: by_pattern.or_else(|| field("lora_alpha").and_then(Value::as_f64)),
            by_root: field("use_rslora").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_summed_over_folders_and_sorted() {
        let text = r#"{"10_a": {"potion": 3, " sword ": 9}, "2_b": {"potion": 8, "": 99, "x": "many"}}"#;
        let expected = [("potion".to_owned(), 11), ("sword".to_owned(), 9), ("x".to_owned(), 0)];
        assert_eq!(trigger_words(text), expected);
        assert_eq!(trigger_words("[]"), []);
    }

    #[test]
    fn scales_of_peft_files() {
        let text = r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"proj_in": 2, "^conv_in$": 3},
            "text_encoder.lora_alpha": 6.0, "text_encoder.use_rslora": true}"#;
        let metadata = HashMap::from([("lora_adapter_metadata".to_owned(), text.to_owned())]);
        let config = PeftConfig::read(&metadata, "file").unwrap();
        let cases = [
            ("unet.mid_block.attentions.0.proj_in", 0.5),
            ("unet.conv_in", 0.75),
            ("unet.x.conv_in", 2.0),
            ("unet.x.my_proj_in", 2.0),
            ("mid_block.x", 2.0),
            ("text_encoder.x", 3.0),
            ("text_encoder_2.x", 1.0),
        ];
        for (module, expected) in cases {
            assert_eq!(config.scale(module).of(4), expected, "{module}");
        }
        for broken in ["[", r#"{"unet.lora_alpha": "8"}"#, r#"{"unet.alpha_pattern": {"a": null}}"#] {
            let metadata = HashMap::from([("lora_adapter_metadata".to_owned(), broken.to_owned())]);
            assert!(PeftConfig::read(&metadata, "file").is_err(), "{broken}");
        }
    }
}
