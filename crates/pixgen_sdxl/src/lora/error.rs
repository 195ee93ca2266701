//! Why an adapter file cannot be used, as sentences that say what was found, what was expected and what to do.

use thiserror::Error;

use super::ModelFamily;

/// Why an adapter file could not be read or does not fit the model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoraError {
    /// Metadata that the weights' scale depends on cannot be read.
    #[error("the LoRA {file} has unusable metadata in {field} ({reason}): its strength is unknown, save it again")]
    Metadata {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor has a dtype that no adapter has.
    #[error("the LoRA {file} holds {key} as {found}, expected F16, BF16, F32 or F64: it is quantised or no LoRA")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor's name.
        key: String,
        /// Its dtype.
        found: String,
    },
    /// A tensor holds a number that is not finite.
    #[error("the LoRA {file} holds numbers in {key} that are not finite: its training diverged or it is damaged")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor's name.
        key: String,
    },
    /// Half of a pair of tensors is missing.
    #[error("the LoRA {file} has {found} of {module} but not {missing}: it is incomplete, download or save it again")]
    MissingHalf {
        /// The file.
        file: String,
        /// The module, as the file spells it.
        module: String,
        /// The part that is there.
        found: &'static str,
        /// The part that is not.
        missing: &'static str,
    },
    /// The tensors of a module do not fit each other.
    #[error(
        "the LoRA {file} has tensors for {module} that do not fit each other ({reason}): save or download it again"
    )]
    Factors {
        /// The file.
        file: String,
        /// The module, as the file spells it.
        module: String,
        /// Which shapes were found and how they should fit.
        reason: String,
    },
    /// A module of rank zero.
    #[error("the LoRA {file} has rank 0 in {module}: there is nothing in it, save it again")]
    RankZero {
        /// The file.
        file: String,
        /// The module, as the file spells it.
        module: String,
    },
    /// An alpha that is no number to scale with.
    #[error("the LoRA {file} has alpha {found} for {module}, expected one finite number: its strength is unknown")]
    Alpha {
        /// The file.
        file: String,
        /// The module, as the file spells it.
        module: String,
        /// What was found.
        found: String,
    },
    /// One module, or one weight of the model, is described more than once.
    #[error("the LoRA {file} describes the same weight twice ({first} and {second}): it was merged wrongly")]
    Twice {
        /// The file.
        file: String,
        /// One description.
        first: String,
        /// The other one.
        second: String,
    },
    /// A module's shape is not that of the weight that it changes.
    #[error(
        "the LoRA {file} has {module} for a weight of shape {found:?}, the model's is {expected:?}: it was made for \
         another model"
    )]
    TargetShape {
        /// The file.
        file: String,
        /// The module, as the file spells it.
        module: String,
        /// The shape that it changes.
        found: Vec<usize>,
        /// The model's.
        expected: Vec<usize>,
    },
    /// The adapter belongs to another kind of model.
    #[error("the LoRA {file} was made for {family}, the model is SDXL ({evidence}): choose a LoRA made for SDXL")]
    OtherFamily {
        /// The file.
        file: String,
        /// What it was made for.
        family: ModelFamily,
        /// How that was seen.
        evidence: String,
    },
    /// Nothing in the file belongs to the model.
    #[error(
        "nothing in the LoRA {file} fits the model: of {count} tensors the first are {}; expected LoRA, LoHa, LoKr, \
         DoRA or full differences of SDXL's UNet or text encoders",
        keys.join(", ")
    )]
    NothingFits {
        /// The file.
        file: String,
        /// How many tensors it has.
        count: usize,
        /// The first ones.
        keys: Vec<String>,
    },
    /// A strength that cannot be applied.
    #[error("the LoRA {file} has strength {found}, expected a finite number, mostly between -2 and 2")]
    Strength {
        /// The file.
        file: String,
        /// The strength asked for.
        found: f64,
    },
}
