//! One safetensors file: checked before anything believes it, memory-mapped, read tensor by tensor.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::detect;
use crate::Error;

/// A safetensors file begins with the length of its header, a little-endian u64.
const LENGTH_BYTES: usize = 8;

/// An open safetensors file. Tensors are copied out of the map one at a time, so the file is never in memory twice.
pub(crate) struct TensorFile {
    /// How error messages name the file.
    name: String,
    bytes: Bytes,
    /// Where the tensors' bytes begin.
    data: usize,
    metadata: Metadata,
}

enum Bytes {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

/// Which part of a stored tensor is the weight that a layer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// The rows of the `index`th of `of` weights that are stored one after another.
    Rows {
        index: usize,
        of: usize,
    },
    /// A matrix that is stored the other way round.
    Transposed,
}

impl Part {
    /// The shape of this part of a tensor of shape `stored`; `None` if there is no such part.
    pub(crate) fn shape(self, stored: &[usize]) -> Option<Vec<usize>> {
        match (self, stored) {
            (Self::Whole, _) => Some(stored.to_vec()),
            (Self::Rows { of, .. }, [rows, rest @ ..]) if rows.is_multiple_of(of) => {
                Some(std::iter::once(rows / of).chain(rest.iter().copied()).collect())
            }
            (Self::Transposed, [rows, columns]) => Some(vec![*columns, *rows]),
            (Self::Rows { .. } | Self::Transposed, _) => None,
        }
    }
}

impl TensorFile {
    /// Opens and checks a file on disk. `name` is how error messages call it.
    pub(crate) fn open(path: &Path, name: String) -> Result<Self, Error> {
        let read_error = |reason| Error::Read { file: name.clone(), reason };
        let mut file = File::open(path).map_err(read_error)?;
        // A file of another format is told by its first bytes, before it is mapped.
        let mut head = Vec::with_capacity(detect::HEAD_BYTES);
        file.by_ref().take(detect::HEAD_BYTES as u64).read_to_end(&mut head).map_err(read_error)?;
        detect::refuse_other_formats(&head, &name)?;
        if head.is_empty() {
            return Err(Error::DamagedWeights { file: name, reason: "it is empty".to_owned() });
        }
        #[allow(unsafe_code, reason = "a memory map is the only way to read a 5 GB file without 5 GB of memory")]
        // SAFETY: the map is read while the model loads and dropped with the checkpoint. A model is not written to
        // during that time; a file that is cut off by another process meanwhile ends this one with SIGBUS, which is
        // the risk of every memory map.
        let map = unsafe { Mmap::map(&file) }.map_err(read_error)?;
        Self::new(Bytes::Mapped(map), name)
    }

    /// Checks a file that is part of the program.
    pub(crate) fn embedded(bytes: &'static [u8], name: String) -> Result<Self, Error> {
        Self::new(Bytes::Embedded(bytes), name)
    }

    fn new(bytes: Bytes, name: String) -> Result<Self, Error> {
        let damaged = |reason| Error::DamagedWeights { file: name.clone(), reason };
        // The crate checks lengths, offsets, overlaps and overflows before anything is allocated for them.
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(reason(&error, &bytes)))?;
        let data = LENGTH_BYTES + header;
        // It takes the last of several entries of one name, in silence.
        let UniqueNames(repeated) = serde_json::from_slice(&bytes[LENGTH_BYTES..data]).unwrap_or_default();
        if let Some(repeated) = repeated {
            return Err(damaged(format!("its header has two entries of the name {repeated}")));
        }
        Ok(Self { name, bytes, data, metadata })
    }

    /// How error messages name the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The names of the tensors, sorted.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.metadata.tensors().into_keys().collect()
    }

    /// Numbers in all tensors with such a name together.
    pub(crate) fn numbers(&self, counts: impl Fn(&str) -> bool) -> u64 {
        let tensors = self.metadata.tensors();
        let counted = tensors.iter().filter(|(name, _)| counts(name));
        counted.map(|(_, tensor)| tensor.shape.iter().map(|axis| *axis as u64).product::<u64>()).sum()
    }

    pub(crate) fn contains(&self, tensor: &str) -> bool {
        self.metadata.info(tensor).is_some()
    }

    pub(crate) fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.metadata.info(tensor).map(|info| info.shape.as_slice())
    }

    /// The size of one axis of a tensor.
    pub(crate) fn dim(&self, tensor: &str, axis: usize) -> Option<usize> {
        self.shape(tensor)?.get(axis).copied()
    }

    /// The stored type of a tensor, as the header writes it, if it is none that weights can have.
    pub(crate) fn foreign_dtype(&self, tensor: &str) -> Option<String> {
        let dtype = self.metadata.info(tensor)?.dtype;
        let known =
            matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F8_E4M3 | Dtype::F8_E5M2);
        (!known).then(|| format!("{dtype:?}"))
    }

    /// A tensor as it is stored: its type, its shape and its bytes.
    pub(crate) fn stored(&self, tensor: &str) -> Option<(Dtype, &[usize], &[u8])> {
        let TensorInfo { dtype, shape, data_offsets: (begin, end) } = self.metadata.info(tensor)?;
        Some((*dtype, shape, &self.bytes[self.data + begin..self.data + end]))
    }

    /// The header's free text.
    pub(crate) fn notes(&self) -> Option<&HashMap<String, String>> {
        self.metadata.metadata().as_ref()
    }

    /// A line of the header's free text (`modelspec.…`, `ss_…`).
    pub(crate) fn note(&self, key: &str) -> Option<&str> {
        self.notes()?.get(key).map(String::as_str)
    }

    /// A part of a tensor, dense. Call it only with a part that [`Part::shape`] knows and a dtype that weights have.
    pub(crate) fn load(&self, tensor: &str, part: Part, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let Some(TensorInfo { dtype: stored, shape, data_offsets: (begin, end) }) = self.metadata.info(tensor) else {
            candle_core::bail!("{} has no tensor {tensor}", self.name);
        };
        let bytes = &self.bytes[self.data + begin..self.data + end];
        let (bytes, shape) = match (part, shape.as_slice()) {
            (Part::Rows { index, of }, [rows, rest @ ..]) => {
                let length = bytes.len() / of;
                let shape: Vec<usize> = std::iter::once(rows / of).chain(rest.iter().copied()).collect();
                (&bytes[index * length..(index + 1) * length], shape)
            }
            (_, shape) => (bytes, shape.to_vec()),
        };
        let read = |bytes: &[u8], dtype| Tensor::from_raw_buffer(bytes, dtype, &shape, device);
        let loaded = match stored {
            Dtype::F64 => read(bytes, DType::F64),
            Dtype::F32 => read(bytes, DType::F32),
            Dtype::F16 => read(bytes, DType::F16),
            Dtype::BF16 => read(bytes, DType::BF16),
            Dtype::F8_E4M3 => read(&widened(bytes, e4m3_to_f16_bits), DType::F16),
            Dtype::F8_E5M2 => read(&widened(bytes, |byte| u16::from(byte) << 8), DType::F16),
            other => candle_core::bail!("the tensor {tensor} of {} is stored as {other:?}", self.name),
        }?;
        let loaded = if part == Part::Transposed { loaded.t()?.contiguous()? } else { loaded };
        loaded.to_dtype(dtype)
    }
}

impl fmt::Debug for TensorFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TensorFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Eight-bit floats as f16, which holds every one of them exactly: candle converts neither kind on every device.
fn widened(bytes: &[u8], bits: impl Fn(u8) -> u16) -> Vec<u8> {
    bytes.iter().flat_map(|byte| bits(*byte).to_le_bytes()).collect()
}

/// The f16 bits of an e4m3 float without infinities (Micikevicius et al. 2022, "FP8 formats for deep learning").
fn e4m3_to_f16_bits(byte: u8) -> u16 {
    const F16_NAN: u16 = 0x7e00;
    /// 15, the exponent bias of f16, less 7, that of e4m3.
    const BIAS: u16 = 8;
    let sign = u16::from(byte & 0x80) << 8;
    let (exponent, mantissa) = (u16::from(byte >> 3 & 0xf), u16::from(byte & 7));
    let magnitude = match (exponent, mantissa) {
        (0xf, 7) => F16_NAN,
        (0, 0) => 0,
        // Below 2⁻⁶ e4m3 has no leading one; f16 still has.
        (0, _) => {
            let shift = mantissa.leading_zeros() as u16 - 12;
            ((BIAS + 1 - shift) << 10) | ((mantissa << shift & 7) << 7)
        }
        _ => ((exponent + BIAS) << 10) | (mantissa << 7),
    };
    sign | magnitude
}

/// Why the header of a file is wrong, with the numbers that show it.
fn reason(error: &SafeTensorError, bytes: &[u8]) -> String {
    let length = bytes.len();
    let header = bytes.get(..LENGTH_BYTES).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    match error {
        SafeTensorError::HeaderTooSmall => {
            format!("it has {length} bytes, expected at least the {LENGTH_BYTES} that give the length of its header")
        }
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            format!("it says that its header has {header} bytes, but the file has {length}")
        }
        SafeTensorError::InvalidHeader(_) => "its header is not UTF-8 text".to_owned(),
        SafeTensorError::InvalidHeaderDeserialization(error) | SafeTensorError::JsonError(error) => {
            format!("its header is no JSON that lists tensors: {error}")
        }
        SafeTensorError::InvalidOffset(tensor) => {
            format!("the tensor {tensor} does not begin where the one before it ends: two overlap, or there is a gap")
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's bytes are not as many as its shape and type ask for".to_owned()
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "its header lists more or fewer bytes of tensors than the file of {length} bytes holds: it is cut off"
            )
        }
        SafeTensorError::ValidationOverflow => "a tensor's shape is too large for any computer".to_owned(),
        other => other.to_string(),
    }
}

/// The first name that a JSON object has twice, if any.
#[derive(Default)]
struct UniqueNames(Option<String>);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = UniqueNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueNames, A::Error> {
                let (mut names, mut repeated) = (BTreeSet::new(), None);
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    if let Some(name) = names.replace(name) {
                        repeated.get_or_insert(name);
                    }
                }
                Ok(UniqueNames(repeated))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_e4m3_number_is_what_its_definition_says() {
        let bits: Vec<u8> = (0..=255).collect();
        let halves = widened(&bits, e4m3_to_f16_bits);
        let found = Tensor::from_raw_buffer(&halves, DType::F16, &[256], &Device::Cpu).unwrap();
        let found: Vec<f32> = found.to_dtype(DType::F32).unwrap().to_vec1().unwrap();
        for (byte, found) in found.into_iter().enumerate() {
            let (sign, exponent, mantissa) = (byte >> 7, byte >> 3 & 15, (byte & 7) as f32);
            if byte & 0x7f == 0x7f {
                assert!(found.is_nan());
                continue;
            }
            let magnitude = match exponent {
                0 => mantissa / 8.0 * 2f32.powi(-6),
                _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent as i32 - 7),
            };
            let expected = if sign == 1 { -magnitude } else { magnitude };
            assert_eq!(found.to_bits(), expected.to_bits(), "{byte:#x}");
        }
    }

    #[test]
    fn parts_have_their_shapes() {
        let third = Part::Rows { index: 1, of: 3 };
        assert_eq!(third.shape(&[12, 5]), Some(vec![4, 5]));
        assert_eq!(third.shape(&[10, 5]), None);
        assert_eq!(third.shape(&[]), None);
        assert_eq!(Part::Transposed.shape(&[2, 3]), Some(vec![3, 2]));
        assert_eq!(Part::Transposed.shape(&[2, 3, 1]), None);
        assert_eq!(Part::Whole.shape(&[]), Some(vec![]));
    }
}
