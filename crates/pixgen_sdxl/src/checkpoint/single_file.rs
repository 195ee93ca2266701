//! A whole model in one safetensors file, with the tensor names of the latent diffusion code (LDM, SGM).

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

use serde_json::{Value, json};

use super::report::{LoadReport, is_harmless};
use super::tensor_file::{Part, TensorFile};
use super::{Place, Routing, derive, detect, ldm_clip, ldm_unet, ldm_vae};
use crate::{Error, ModelSource};

const UNET: &str = "model.diffusion_model.";
const FIRST_TEXT: &str = "conditioner.embedders.0.transformer.";
const SECOND_TEXT: &str = "conditioner.embedders.1.model.";
const VAE: [&str; 2] = ["first_stage_model.", "vae."];

/// An open single-file checkpoint.
#[derive(Debug)]
pub(crate) struct SingleFile {
    name: String,
    /// The folder that the file is in.
    beside: ModelSource,
    routings: HashMap<&'static str, Routing>,
    configs: HashMap<&'static str, Value>,
}

impl SingleFile {
    /// Opens a complete checkpoint. One without an autoencoder is taken if the caller has another (`needs_vae` is
    /// false).
    pub(super) fn open(path: &Path, needs_vae: bool, report: &Rc<RefCell<LoadReport>>) -> Result<Self, Error> {
        let name = path.display().to_string();
        if !path.is_file() {
            return Err(Error::MissingModelFile { file: name });
        }
        let file = Rc::new(TensorFile::open(path, name)?);
        detect::refuse_other_models(&file)?;
        let mut routings = routings(&file, &mut report.borrow_mut());
        let lacks = |what: &str| Err(Error::NotSdxl { file: file.name().to_owned(), found: what.to_owned() });
        for (component, what) in [
            ("text_encoder", "an SDXL checkpoint without its first text encoder (conditioner.embedders.0.transformer)"),
            ("text_encoder_2", "an SDXL checkpoint without its second text encoder (conditioner.embedders.1.model)"),
        ] {
            if !routings.contains_key(component) {
                return lacks(what);
            }
        }
        if needs_vae && !routings.contains_key("vae") {
            return lacks("an SDXL checkpoint without autoencoder (first_stage_model): give one as its VAE");
        }
        let mut configs = HashMap::new();
        let mut config = |path, derived| configs.insert(path, derived);
        let empty = Routing::new();
        let routing = |component: &str| routings.get(component).unwrap_or(&empty);
        let second = derive::clip(routing("text_encoder_2"));
        let pooled = second["projection_dim"].as_u64().unwrap_or_default() as usize;
        config("text_encoder/config.json", derive::clip(routing("text_encoder")));
        config("text_encoder_2/config.json", second);
        config("unet/config.json", derive::unet(routing("unet"), pooled));
        if routings.contains_key("vae") {
            config("vae/config.json", derive::vae(routing("vae"), &derive::sdxl_vae()));
        }
        let (prediction, zero_terminal_snr) = training(&file, &mut report.borrow_mut());
        config("scheduler/scheduler_config.json", derive::scheduler(prediction, zero_terminal_snr));
        config(
            "model_index.json",
            json!({ "_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": true }),
        );
        for component in ["unet", "vae", "text_encoder", "text_encoder_2"] {
            routings.entry(component).or_default();
        }
        Ok(Self { name: file.name().to_owned(), beside: folder_of(path), routings, configs })
    }

    /// Nothing but an autoencoder, in any naming, from any file that has one. `assumed` is the configuration of the
    /// autoencoder whose place it takes.
    pub(super) fn open_vae(path: &Path, assumed: &Value) -> Result<Self, Error> {
        let file = Rc::new(TensorFile::open(path, path.display().to_string())?);
        let names = file.names();
        let prefix = VAE.into_iter().find(|prefix| names.iter().any(|name| name.starts_with(prefix))).unwrap_or("");
        let in_diffusers = names.iter().any(|name| name.starts_with("decoder.up_blocks."));
        let routing = if in_diffusers {
            let place = |tensor: String| Place { file: Rc::clone(&file), tensor, part: Part::Whole };
            names.into_iter().map(|tensor| (ldm_vae::modern_name(&tensor), place(tensor))).collect()
        } else {
            let levels = vae_levels(&names, prefix);
            let places = names.into_iter().filter_map(|tensor| {
                let name = ldm_vae::diffusers_name(tensor.strip_prefix(prefix)?, levels)?;
                Some((name, Place { file: Rc::clone(&file), tensor, part: Part::Whole }))
            });
            places.collect::<Routing>()
        };
        if !routing.contains_key("decoder.conv_in.weight") {
            // Says what the file is instead; a complete checkpoint without autoencoder is not refused there.
            detect::refuse_other_models(&file)?;
            let found = "without an autoencoder: a VAE has tensors like decoder.conv_in.weight".to_owned();
            return Err(Error::NotSdxl { file: file.name().to_owned(), found });
        }
        let configs = HashMap::from([("vae/config.json", derive::vae(&routing, assumed))]);
        let routings = HashMap::from([("vae", routing)]);
        Ok(Self { name: file.name().to_owned(), beside: folder_of(path), routings, configs })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The folder that the file is in.
    pub(super) fn beside(&self) -> &ModelSource {
        &self.beside
    }

    pub(super) fn config(&self, path: &str) -> Option<&Value> {
        self.configs.get(path)
    }

    pub(super) fn routing(&self, component: &str) -> Option<&Routing> {
        self.routings.get(component)
    }
}

fn folder_of(path: &Path) -> ModelSource {
    ModelSource::Folder(path.parent().unwrap_or(Path::new("")).to_owned())
}

/// The weights of each component that is there; what belongs to none goes into the report.
fn routings(file: &Rc<TensorFile>, report: &mut LoadReport) -> HashMap<&'static str, Routing> {
    let names = file.names();
    let unet_names: BTreeSet<&str> = names.iter().filter_map(|name| name.strip_prefix(UNET)).collect();
    let structure = ldm_unet::Structure::new(&unet_names);
    let levels = VAE.map(|prefix| vae_levels(&names, prefix));
    let mut routings: HashMap<&'static str, Routing> = HashMap::new();
    for tensor in &names {
        let whole = |name: String| vec![(name, Part::Whole)];
        let (component, weights) = if let Some(name) = tensor.strip_prefix(UNET) {
            ("unet", structure.diffusers_name(name).map(whole))
        } else if let Some(name) = tensor.strip_prefix(FIRST_TEXT).filter(|name| name.starts_with("text_model.")) {
            ("text_encoder", Some(whole(name.to_owned())))
        } else if let Some(name) = tensor.strip_prefix(SECOND_TEXT) {
            ("text_encoder_2", Some(ldm_clip::from_open_clip(name)))
        } else {
            let vae = VAE.iter().zip(levels).find_map(|(prefix, levels)| Some((tensor.strip_prefix(prefix)?, levels)));
            ("vae", vae.and_then(|(name, levels)| ldm_vae::diffusers_name(name, levels)).map(whole))
        };
        let weights = if is_harmless(tensor) { Vec::new() } else { weights.unwrap_or_default() };
        if weights.is_empty() {
            match is_harmless(tensor) {
                true => report.harmless += 1,
                false => report.unused.push(tensor.clone()),
            }
        }
        for (name, part) in weights {
            let place = Place { file: Rc::clone(file), tensor: tensor.clone(), part };
            routings.entry(component).or_default().insert(name, place);
        }
    }
    routings
}

/// Levels of the autoencoder whose names begin with `prefix`.
fn vae_levels(names: &BTreeSet<String>, prefix: &str) -> usize {
    let levels = names.iter().filter_map(|name| {
        let (level, _) = name.strip_prefix(prefix)?.strip_prefix("decoder.up.")?.split_once('.')?;
        level.parse::<usize>().ok()?.checked_add(1)
    });
    levels.max().unwrap_or_default()
}

/// What the file says of its training: diffusers' name of what the network predicts, and whether the noise schedule
/// ends without signal.
///
/// The keys `v_pred` and `ztsnr` are the convention of ComfyUI; the metadata are those of the Model Metadata Standard
/// (`modelspec`) and of kohya's training scripts (`ss_…`).
fn training(file: &TensorFile, report: &mut LoadReport) -> (&'static str, bool) {
    let says = |key: &str, value: &str| file.note(key).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let by_key = file.contains("v_pred");
    let by_note = says("modelspec.prediction_type", "v")
        || says("modelspec.prediction_type", "v_prediction")
        || says("ss_v_parameterization", "true");
    let zero_terminal_snr = file.contains("ztsnr") || says("ss_zero_terminal_snr", "true");
    if by_key || by_note {
        let source = if by_key { "its key v_pred" } else { "its metadata" };
        report.notes.push(format!("{}: {source} says that the network predicts the velocity", file.name()));
        return ("v_prediction", zero_terminal_snr);
    }
    if file.note("modelspec.prediction_type").is_none() {
        report
            .notes
            .push(format!("{}: nothing says what the network predicts, so it is taken to be the noise", file.name()));
    }
    ("epsilon", zero_terminal_snr)
}
