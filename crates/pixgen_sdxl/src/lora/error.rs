//! Why an adapter file cannot be used, as sentences that say what was found, what was expected and what to do.

use std::io;

use thiserror::Error;

use super::Architecture;

/// Why an adapter file could not be read or does not fit the model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoraError {
    /// The file could not be read.
    #[error("the LoRA {file} could not be read ({reason}): check the path and its permissions")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        #[source]
        reason: io::Error,
    },
    /// The file has another format.
    #[error("the LoRA {file} is {found}, expected a .safetensors file: {advice}")]
    OtherFormat {
        /// The file.
        file: String,
        /// What it is instead.
        found: String,
        /// What to do.
        advice: String,
    },
    /// The length of the header is absurd.
    #[error(
        "the LoRA {file} says that its header has {found} bytes, of {size} bytes of the whole file and at most \
         100000000 that the format allows: it is damaged or no .safetensors file, download it again"
    )]
    Header {
        /// The file.
        file: String,
        /// Length that the file says its header has.
        found: u64,
        /// Size of the file in bytes.
        size: u64,
    },
    /// The file ends too early.
    #[error("the LoRA {file} has {found} bytes, its header names tensors up to byte {expected}: download it again")]
    Truncated {
        /// The file.
        file: String,
        /// Size of the file in bytes.
        found: u64,
        /// Size that the header asks for.
        expected: u64,
    },
    /// The header cannot be read.
    #[error("the LoRA {file} is damaged ({reason}): download it again")]
    Damaged {
        /// The file.
        file: String,
        /// What the reader of the format said.
        reason: String,
    },
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
    #[error("the LoRA {file} was made for {architecture}, the model is SDXL ({evidence}): choose a LoRA made for SDXL")]
    OtherArchitecture {
        /// The file.
        file: String,
        /// What it was made for.
        architecture: Architecture,
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
