//! Reads an adapter file: its tensors grouped by module and kind, checked before anything touches the model.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;

use super::diff::Diff;
use super::dora::Magnitude;
use super::factors::Factor;
use super::info::{LoraInfo, PeftConfig};
use super::loha::Loha;
use super::lokr::Lokr;
use super::lora::Lora;
use super::suffix::Part;
use super::{LoraError, LoraKind};
use crate::Error;
use crate::checkpoint::TensorFile;

/// No axis of an SDXL weight, a convolution's folded ones included, is a tenth as long.
const WIDEST_AXIS: usize = 1 << 20;

/// An adapter on disk: memory-mapped, its tensors grouped and checked.
///
/// Reads LoRA, LoCon, LoHa, LoKr, DoRA and full differences as kohya's sd-scripts, LyCORIS, PEFT and diffusers write
/// them. The file must not be written to while this exists.
#[derive(Debug)]
pub struct LoraFile {
    data: TensorFile,
    modules: Vec<Module>,
    unread: Vec<String>,
    tensors: usize,
    info: LoraInfo,
}

/// What a file says of one layer of the model.
#[derive(Debug)]
pub(super) struct Module {
    /// As the file spells it.
    pub(super) name: String,
    pub(super) weight: Option<Change>,
    pub(super) magnitude: Option<Magnitude>,
    pub(super) bias: Option<Diff>,
}

/// How a module changes its weight.
#[derive(Debug)]
pub(super) enum Change {
    Lora(Lora),
    Loha(Loha),
    Lokr(Lokr),
    Diff(Diff),
}

impl Change {
    /// The shape of the weight that it changes.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Lora(lora) => lora.shape(),
            Self::Loha(loha) => loha.shape(),
            Self::Lokr(lokr) => lokr.shape(),
            Self::Diff(diff) => diff.tensor.shape.clone(),
        }
    }

    pub(super) fn factors(&self) -> Vec<&Factor> {
        match self {
            Self::Lora(lora) => lora.factors().collect(),
            Self::Loha(loha) => loha.factors().collect(),
            Self::Lokr(lokr) => lokr.factors().collect(),
            Self::Diff(diff) => vec![&diff.tensor],
        }
    }

    pub(super) fn kind(&self) -> LoraKind {
        match self {
            Self::Lora(_) => LoraKind::Lora,
            Self::Loha(_) => LoraKind::Loha,
            Self::Lokr(_) => LoraKind::Lokr,
            Self::Diff(_) => LoraKind::Diff,
        }
    }

    pub(super) fn rank(&self) -> Option<usize> {
        match self {
            Self::Lora(lora) => Some(lora.rank()),
            Self::Loha(loha) => Some(loha.rank()),
            Self::Lokr(lokr) => lokr.rank(),
            Self::Diff(_) => None,
        }
    }
}

/// The factor that turns a product of matrices into a change of weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) alpha: Option<f64>,
    /// Whether alpha is divided by the root of the rank (rsLoRA, Kalajdzievski 2023).
    pub(super) by_root: bool,
}

impl Scale {
    /// alpha / rank. No alpha and alpha 0 both mean the rank, as in LyCORIS and sd-scripts.
    pub(super) fn of(&self, rank: usize) -> f64 {
        let rank = rank as f64;
        let alpha = self.alpha.filter(|alpha| *alpha != 0.0).unwrap_or(rank);
        alpha / if self.by_root && self.alpha.is_some() { rank.sqrt() } else { rank }
    }
}

/// The tensors of one module, taken one after another by the kind that they make up.
pub(super) struct Parts<'a> {
    file: &'a str,
    module: &'a str,
    parts: BTreeMap<Part, Factor>,
}

impl Parts<'_> {
    pub(super) fn take(&mut self, part: Part) -> Option<Factor> {
        self.parts.remove(&part)
    }

    /// A tensor without which `found` means nothing.
    pub(super) fn need(&mut self, part: Part, found: Part) -> Result<Factor, LoraError> {
        self.take(part).ok_or_else(|| self.missing(found, part))
    }

    pub(super) fn missing(&self, found: Part, missing: Part) -> LoraError {
        LoraError::MissingHalf {
            file: self.file.to_owned(),
            module: self.module.to_owned(),
            found: found.name(),
            missing: missing.name(),
        }
    }

    pub(super) fn misfit(&self, reason: String) -> LoraError {
        LoraError::Factors { file: self.file.to_owned(), module: self.module.to_owned(), reason }
    }

    pub(super) fn check_rank(&self, rank: usize) -> Result<(), LoraError> {
        if rank > 0 {
            return Ok(());
        }
        Err(LoraError::RankZero { file: self.file.to_owned(), module: self.module.to_owned() })
    }

    fn any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.parts.contains_key(part))
    }
}

impl LoraFile {
    /// Opens and checks an adapter file (`.safetensors`). Every number in it is looked at once.
    ///
    /// # Errors
    /// [`Error::ForeignFile`] and [`Error::DamagedWeights`] when it is no whole safetensors file, [`Error::Lora`] when it
    /// is no adapter, or holds tensors that do not fit each other or numbers that are not finite. Whether it fits a model
    /// is found out by [`Pipeline::set_loras`](crate::Pipeline::set_loras).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let data = TensorFile::open(path, path.display().to_string())?;
        Ok(Self::read(data)?)
    }

    /// What the file is, from its tensors and metadata.
    #[must_use]
    pub fn info(&self) -> &LoraInfo {
        &self.info
    }

    /// The path that it was opened with.
    #[must_use]
    pub fn name(&self) -> &str {
        self.data.name()
    }

    pub(super) fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Names of the tensors whose meaning is not known.
    pub(super) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// How many tensors the file has.
    pub(super) fn tensors(&self) -> usize {
        self.tensors
    }

    /// A tensor's bytes in the memory map.
    pub(super) fn bytes(&self, key: &str) -> candle_core::Result<&[u8]> {
        match self.data.stored(key) {
            Some((_, _, bytes)) => Ok(bytes),
            None => candle_core::bail!("{} has no tensor {key}", self.name()),
        }
    }

    fn read(data: TensorFile) -> Result<Self, LoraError> {
        let name = data.name().to_owned();
        let empty = HashMap::new();
        let metadata = data.notes().unwrap_or(&empty);
        let peft = PeftConfig::read(metadata, &name)?;

        let mut grouped: BTreeMap<String, (BTreeMap<Part, Factor>, bool)> = BTreeMap::new();
        let mut unread = Vec::new();
        let mut keys: Vec<String> = Vec::new();
        for key in data.names() {
            let Some((stored, shape, bytes)) = data.stored(&key) else { continue };
            keys.push(key.clone());
            let Some((module, part)) = Part::split(&key) else {
                unread.push(key);
                continue;
            };
            let dtype = match stored {
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                // Alphas may be integers.
                Dtype::I64 if part == Part::Alpha => DType::I64,
                Dtype::I32 if part == Part::Alpha => DType::I32,
                other => {
                    return Err(LoraError::Dtype { file: name, key, found: format!("{other:?}") });
                }
            };
            // Sizes are multiplied later on, and beside an axis of length 0 any others pass the file's own checks.
            if shape.iter().any(|size| *size > WIDEST_AXIS) {
                let reason = format!("{key} has shape {shape:?}, expected axes of at most {WIDEST_AXIS}");
                return Err(LoraError::Factors { file: name, module: module.to_owned(), reason });
            }
            let factor = Factor { key: key.clone(), shape: shape.to_vec(), dtype };
            if part != Part::Alpha && !is_finite(dtype, bytes) {
                return Err(LoraError::NotFinite { file: name, key });
            }
            let (parts, from_peft) = grouped.entry(module.to_owned()).or_default();
            *from_peft |= key.contains(".lora_A") || key.contains(".lora_B");
            if let Some(first) = parts.insert(part, factor) {
                return Err(LoraError::Twice { file: name, first: first.key, second: key });
            }
        }
        unread.sort();

        let mut modules = Vec::with_capacity(grouped.len());
        for (module, (mut parts, from_peft)) in grouped {
            let mut scale = Scale { alpha: None, by_root: false };
            if let Some(alpha) = parts.remove(&Part::Alpha) {
                let bytes = data.stored(&alpha.key).map_or(&[][..], |(_, _, bytes)| bytes);
                scale.alpha = Some(read_alpha(bytes, &name, &module, &alpha)?);
            } else if from_peft {
                scale = peft.scale(&module);
            }
            let parts = Parts { file: &name, module: &module, parts };
            if let Some(module) = build(parts, &scale)? {
                modules.push(module);
            }
        }
        let info = LoraInfo::new(&modules, &keys, metadata);
        Ok(Self { tensors: keys.len(), data, modules, unread, info })
    }
}

/// Puts the tensors of a module together; `None` if it has nothing but an alpha.
fn build(mut parts: Parts<'_>, scale: &Scale) -> Result<Option<Module>, LoraError> {
    let magnitude = parts
        .take(Part::Magnitude)
        .map(|lengths| Magnitude { lengths, per_output: true })
        .or_else(|| parts.take(Part::DoraScale).map(|lengths| Magnitude { lengths, per_output: false }));
    let bias = parts.take(Part::DiffB).map(|tensor| Diff { tensor, replaces: false });
    let weight = if parts.any(&[Part::LoraDown, Part::LoraUp, Part::LoraMid]) {
        Some(Change::Lora(Lora::new(&mut parts, scale)?))
    } else if parts.any(&[Part::HadaW1A, Part::HadaW1B, Part::HadaW2A, Part::HadaW2B, Part::HadaT1, Part::HadaT2]) {
        Some(Change::Loha(Loha::new(&mut parts, scale)?))
    } else if parts.any(&[
        Part::LokrW1,
        Part::LokrW1A,
        Part::LokrW1B,
        Part::LokrW2,
        Part::LokrW2A,
        Part::LokrW2B,
        Part::LokrT2,
    ]) {
        Some(Change::Lokr(Lokr::new(&mut parts, scale)?))
    } else if let Some(tensor) = parts.take(Part::Diff) {
        Some(Change::Diff(Diff { tensor, replaces: false }))
    } else {
        parts.take(Part::SetWeight).map(|tensor| Change::Diff(Diff { tensor, replaces: true }))
    };
    // A tensor is left over when two kinds are mixed.
    if let Some((part, factor)) = parts.parts.first_key_value() {
        return Err(parts.misfit(format!("{} {:?} belongs to another kind of adapter", part.name(), factor.shape)));
    }
    if magnitude.is_some() && !matches!(weight, Some(Change::Lora(_) | Change::Loha(_) | Change::Lokr(_))) {
        return Err(parts.missing(Part::DoraScale, Part::LoraDown));
    }
    if weight.is_none() && bias.is_none() {
        return Ok(None);
    }
    Ok(Some(Module { name: parts.module.to_owned(), weight, magnitude, bias }))
}

fn read_alpha(bytes: &[u8], file: &str, module: &str, alpha: &Factor) -> Result<f64, LoraError> {
    let refuse = |found: String| LoraError::Alpha { file: file.to_owned(), module: module.to_owned(), found };
    if alpha.shape.iter().product::<usize>() != 1 {
        return Err(refuse(format!("of shape {:?}", alpha.shape)));
    }
    let read = || -> candle_core::Result<f64> {
        Tensor::from_raw_buffer(bytes, alpha.dtype, &[1], &Device::Cpu)?.to_dtype(DType::F64)?.get(0)?.to_scalar()
    };
    match read() {
        Ok(alpha) if alpha.is_finite() => Ok(alpha),
        Ok(alpha) => Err(refuse(alpha.to_string())),
        Err(error) => Err(refuse(format!("of dtype {:?} ({error})", alpha.dtype))),
    }
}

/// Whether there is no infinity and no NaN: every bit of the exponent is set in them.
fn is_finite(dtype: DType, data: &[u8]) -> bool {
    // Whole blocks are folded without a branch, so that the compiler uses vector instructions.
    const BLOCK_BYTES: usize = 1 << 16;
    data.chunks(BLOCK_BYTES).all(|block| match dtype {
        DType::F16 => finite_16(block, 0x7c00),
        DType::BF16 => finite_16(block, 0x7f80),
        DType::F32 => {
            let bad = |word: &[u8; 4]| u32::from_le_bytes(*word) & 0x7f80_0000 == 0x7f80_0000;
            !block.as_chunks::<4>().0.iter().fold(false, |any, word| any | bad(word))
        }
        _ => block.as_chunks::<8>().0.iter().fold(true, |all, word| all & f64::from_le_bytes(*word).is_finite()),
    })
}

fn finite_16(block: &[u8], exponent: u16) -> bool {
    let bad = |word: &[u8; 2]| u16::from_le_bytes(*word) & exponent == exponent;
    !block.as_chunks::<2>().0.iter().fold(false, |any, word| any | bad(word))
}
