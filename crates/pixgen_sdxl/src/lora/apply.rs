//! Merges adapters into the weights of a model, always from the original weights.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::{DType, Result, Tensor};

use super::diff::{Diff, same_shape};
use super::dora::Axis;
use super::factors::{Factor, Factors};
use super::file::{Change, LoraFile, Module};
use super::info::ModelFamily;
use super::keys::{COMPONENTS, Keys, Place};
use super::{LoraError, LoraFileReport, LoraReport, LoraStrength};
use crate::Error;
use crate::checkpoint::{Checkpoint, Recipe};
use crate::params::Params;
use crate::weights::Weights;

/// Bytes of adapters that are brought to the device at once.
const BATCH_BYTES: usize = 256 << 20;
/// How many names a warning or an error lists.
const NAMED: usize = 5;

/// A weight of the model: its component and its name there.
type WeightName = (usize, String);

/// What is merged into a model, and how to get its original weights back.
#[derive(Debug)]
pub(crate) struct Adapters {
    model: Recipe,
    /// Made when the first adapter comes.
    keys: Option<Keys>,
    /// Weights that may differ from the model's file.
    changed: BTreeSet<WeightName>,
    keep: bool,
    /// Originals on the device, if they are kept.
    kept: HashMap<WeightName, Tensor>,
}

/// A change of one weight by one file.
struct Planned<'a> {
    file: usize,
    change: Planning<'a>,
    strength: f64,
}

enum Planning<'a> {
    Weight(&'a Change),
    Dora(&'a Change, &'a super::dora::Magnitude, Axis),
    Bias(&'a Diff),
}

impl Planned<'_> {
    fn factors(&self) -> Vec<&Factor> {
        match &self.change {
            Planning::Weight(change) => change.factors(),
            Planning::Dora(change, magnitude, _) => change.factors().into_iter().chain([&magnitude.lengths]).collect(),
            Planning::Bias(diff) => vec![&diff.tensor],
        }
    }

    /// What is added to the original weight `base`, in its shape.
    fn delta(&self, base: &Tensor, factors: &Factors) -> Result<Tensor> {
        let strength = self.strength;
        match &self.change {
            Planning::Weight(change) => delta(change, base, factors, strength),
            Planning::Dora(change, magnitude, axis) => {
                let full = delta(change, base, factors, 1.0)?;
                magnitude.change(base, &full, *axis, factors, strength)
            }
            Planning::Bias(diff) => diff.delta(base, factors, strength),
        }
    }
}

fn delta(change: &Change, base: &Tensor, factors: &Factors, strength: f64) -> Result<Tensor> {
    match change {
        Change::Lora(lora) => lora.delta(factors, strength)?.reshape(base.shape()),
        Change::Loha(loha) => loha.delta(factors, strength)?.reshape(base.shape()),
        Change::Lokr(lokr) => lokr.delta(factors, strength)?.reshape(base.shape()),
        Change::Diff(diff) => diff.delta(base, factors, strength),
    }
}

type Plan<'a> = BTreeMap<WeightName, Vec<Planned<'a>>>;

impl Adapters {
    /// For a model that can be opened again as `model` says.
    pub(crate) fn new(model: Recipe) -> Self {
        Self { model, keys: None, changed: BTreeSet::new(), keep: false, kept: HashMap::new() }
    }

    pub(crate) fn set_keep_originals(&mut self, keep: bool) {
        self.keep = keep;
        if !keep {
            self.kept.clear();
        }
    }

    /// Brings the model to exactly these adapters. Everything is checked before the first weight changes.
    ///
    /// `params` are the weights of the [`COMPONENTS`]; `touch` is called with the number of one of them before its
    /// weights are read or changed.
    pub(crate) fn set(
        &mut self,
        loras: &[(&LoraFile, LoraStrength)],
        params: [&Params; 3],
        touch: &mut dyn FnMut(usize) -> std::result::Result<(), Error>,
    ) -> std::result::Result<LoraReport, Error> {
        let keys = self.keys.get_or_insert_with(|| Keys::new(params));
        let mut plan = Plan::new();
        let mut report = LoraReport::default();
        for (index, (file, strength)) in loras.iter().enumerate() {
            report.files.push(plan_file(keys, index, file, *strength, &mut plan)?);
        }

        let mut originals = Originals::new(self.model.clone(), params);
        let mut touched = None;
        let mut touch = |component: usize| match touched.replace(component) {
            Some(same) if same == component => Ok(()),
            _ => touch(component),
        };
        let outdated: Vec<_> = self.changed.iter().filter(|name| !plan.contains_key(*name)).cloned().collect();
        for name in outdated {
            touch(name.0)?;
            let original = self.original(&name, &mut originals)?;
            params[name.0].write(&name.1, &original)?;
            self.changed.remove(&name);
            report.restored_weights += 1;
        }

        let mut batch = Vec::new();
        let mut bytes = 0;
        for entry in plan {
            bytes += entry.1.iter().flat_map(Planned::factors).map(Factor::bytes).sum::<usize>();
            batch.push(entry);
            if bytes > BATCH_BYTES {
                self.merge(&batch, loras, &mut originals, &mut touch)?;
                batch.clear();
                bytes = 0;
            }
        }
        self.merge(&batch, loras, &mut originals, &mut touch)?;
        report.changed_weights = self.changed.len();
        Ok(report)
    }

    fn merge(
        &mut self,
        batch: &[(WeightName, Vec<Planned<'_>>)],
        loras: &[(&LoraFile, LoraStrength)],
        originals: &mut Originals<'_>,
        touch: &mut dyn FnMut(usize) -> std::result::Result<(), Error>,
    ) -> std::result::Result<(), Error> {
        let mut wanted: Vec<Vec<&Factor>> = vec![Vec::new(); loras.len()];
        for planned in batch.iter().flat_map(|(_, planned)| planned) {
            wanted[planned.file].extend(planned.factors());
        }
        let factors = Factors::upload(&wanted, |file, factor| loras[file].0.bytes(&factor.key), self.model.device())?;
        for (name, planned) in batch {
            touch(name.0)?;
            let base = self.original(name, originals)?.to_dtype(DType::F32)?;
            let mut merged = base.clone();
            for planned in planned {
                merged = (merged + planned.delta(&base, &factors[planned.file])?)?;
            }
            // Before the write: should it fail half way, the weight still counts as changed.
            self.changed.insert(name.clone());
            originals.params[name.0].write(&name.1, &merged)?;
        }
        Ok(())
    }

    /// A weight as the model's file has it, in the dtype of the layer.
    fn original(&mut self, name: &WeightName, originals: &mut Originals<'_>) -> std::result::Result<Tensor, Error> {
        if let Some(kept) = self.kept.get(name) {
            return Ok(kept.clone());
        }
        let params = originals.params[name.0];
        let original = if self.changed.contains(name) {
            originals.read(name)?
        } else if self.keep {
            params.read(&name.1)?
        } else {
            // What the layer holds is the original: no copy is needed, since the merged weight is a new tensor.
            params.view(&name.1)?
        };
        if self.keep {
            self.kept.insert(name.clone(), original.clone());
        }
        Ok(original)
    }
}

/// The weight files of a model, opened when the first weight of a component is asked for.
struct Originals<'a> {
    model: Recipe,
    params: [&'a Params; 3],
    checkpoint: Option<Checkpoint>,
    weights: [Option<Weights>; 3],
}

impl<'a> Originals<'a> {
    fn new(model: Recipe, params: [&'a Params; 3]) -> Self {
        Self { model, params, checkpoint: None, weights: [None, None, None] }
    }

    fn read(&mut self, (component, name): &WeightName) -> std::result::Result<Tensor, Error> {
        let layer = self.params[*component].view(name)?;
        let weights = match &mut self.weights[*component] {
            Some(weights) => weights,
            empty => {
                let stem = if *component == 0 { "diffusion_pytorch_model" } else { "model" };
                let checkpoint = match &mut self.checkpoint {
                    Some(checkpoint) => checkpoint,
                    none => none.insert(self.model.open()?),
                };
                let device = self.model.device();
                empty.insert(Weights::open(checkpoint, COMPONENTS[*component], stem, device, layer.dtype())?)
            }
        };
        weights.original(name, layer.shape())
    }
}

/// Finds the weights that a file changes, and checks that it fits them.
fn plan_file<'a>(
    keys: &Keys,
    index: usize,
    file: &'a LoraFile,
    strength: LoraStrength,
    plan: &mut Plan<'a>,
) -> std::result::Result<LoraFileReport, LoraError> {
    for found in [strength.unet, strength.text] {
        if !found.is_finite() {
            return Err(LoraError::Strength { file: file.name().to_owned(), found });
        }
    }
    let mut report = LoraFileReport { file: file.name().to_owned(), ..LoraFileReport::default() };
    report.unknown.extend(file.unread().iter().cloned());
    // A file of another Stable Diffusion has names, and even some shapes, in common with SDXL.
    let relative = match file.info().family {
        Some(other @ (ModelFamily::Sd1 | ModelFamily::Sd2 | ModelFamily::SdxlRefiner)) => Some(other),
        _ => None,
    };
    let foreign = |family| LoraError::OtherFamily {
        file: file.name().to_owned(),
        family,
        evidence: file.info().evidence.clone(),
    };
    let mut taken: HashMap<WeightName, &str> = HashMap::new();
    for module in file.modules() {
        let Some(place) = keys.find(&module.name) else {
            match (relative, ModelFamily::of_module(&module.name)) {
                (Some(other), _) => return Err(foreign(other)),
                (None, Some(_)) => report.foreign.push(module.name.clone()),
                (None, None) => report.unknown.push(module.name.clone()),
            }
            continue;
        };
        let changes = match changes(file, module, place, &mut report.unknown) {
            Ok(changes) => changes,
            Err(error) => return Err(relative.map_or(error, foreign)),
        };
        if changes.is_empty() {
            continue;
        }
        if place.idle {
            report.idle += 1;
            continue;
        }
        report.applied += 1;
        let strength = if place.component == 0 { strength.unet } else { strength.text };
        for (end, change) in changes {
            let name = (place.component, format!("{}.{end}", place.path));
            if let Some(first) = taken.insert(name.clone(), &module.name) {
                return Err(LoraError::Twice {
                    file: file.name().to_owned(),
                    first: first.to_owned(),
                    second: module.name.clone(),
                });
            }
            // Strength 0 is the original weight to the bit, not the original plus zeros.
            if strength != 0.0 {
                plan.entry(name).or_default().push(Planned { file: index, change, strength });
            }
        }
    }
    if report.applied == 0 && report.idle == 0 {
        if let Some(other) = file.info().family.filter(|other| *other != ModelFamily::Sdxl) {
            return Err(foreign(other));
        }
        let keys = report.unknown.iter().chain(&report.foreign).take(NAMED).cloned().collect();
        return Err(LoraError::NothingFits { file: file.name().to_owned(), count: file.tensors(), keys });
    }
    for (what, names) in [("unknown", &report.unknown), ("of another family of models", &report.foreign)] {
        if !names.is_empty() {
            let first = &names[..names.len().min(NAMED)];
            tracing::warn!(file = file.name(), count = names.len(), ?first, "the LoRA has parts that are {what}");
        }
    }
    Ok(report)
}

/// What a module changes of a layer: `weight`, `bias` or both. What the layer does not have goes to `unknown`.
fn changes<'a>(
    file: &LoraFile,
    module: &'a Module,
    place: &Place,
    unknown: &mut Vec<String>,
) -> std::result::Result<Vec<(&'static str, Planning<'a>)>, LoraError> {
    let misfit = |found: Vec<usize>, expected: &[usize]| LoraError::TargetShape {
        file: file.name().to_owned(),
        module: module.name.clone(),
        found,
        expected: expected.to_vec(),
    };
    let mut out = Vec::new();
    match (&module.weight, &place.weight) {
        (Some(change), Some(shape)) => {
            let found = change.shape();
            if !same_shape(&found, shape) {
                return Err(misfit(found, shape.dims()));
            }
            out.push(match &module.magnitude {
                Some(magnitude) => match magnitude.axis(shape) {
                    Some(axis) => ("weight", Planning::Dora(change, magnitude, axis)),
                    None => return Err(misfit(magnitude.lengths.shape.clone(), shape.dims())),
                },
                None => ("weight", Planning::Weight(change)),
            });
        }
        (Some(_), None) => unknown.push(format!("{} (a weight)", module.name)),
        (None, _) => {}
    }
    match (&module.bias, &place.bias) {
        (Some(diff), Some(shape)) => {
            if !same_shape(&diff.tensor.shape, shape) {
                return Err(misfit(diff.tensor.shape.clone(), shape.dims()));
            }
            out.push(("bias", Planning::Bias(diff)));
        }
        (Some(diff), None) => unknown.push(diff.tensor.key.clone()),
        (None, _) => {}
    }
    Ok(out)
}
