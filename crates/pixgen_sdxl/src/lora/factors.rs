//! The tensors of adapter files, and how they come to the device: many in one piece.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, bail};

/// A tensor of a file that has not been read yet.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) key: String,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
}

impl Factor {
    pub(super) fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements of a row.
    pub(super) fn columns(&self) -> usize {
        self.shape.get(1..).unwrap_or_default().iter().product()
    }

    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn bytes(&self) -> usize {
        self.count() * self.dtype.size_in_bytes()
    }
}

/// Tensors of one file on the device, in f32.
#[derive(Debug, Default)]
pub(super) struct Factors {
    tensors: HashMap<String, Tensor>,
}

impl Factors {
    /// The tensor in its own shape.
    pub(super) fn get(&self, factor: &Factor) -> Result<Tensor> {
        match self.tensors.get(&factor.key) {
            Some(tensor) => Ok(tensor.clone()),
            None => bail!("{} was not brought to the device", factor.key),
        }
    }

    /// The tensor as a matrix, everything but its first axis folded into the columns.
    pub(super) fn matrix(&self, factor: &Factor) -> Result<Tensor> {
        self.get(factor)?.reshape((factor.rows(), factor.columns()))
    }

    /// Brings factors of several files to the device: one list of factors per file. `read` gives the bytes of a factor
    /// of a file. One copy and one conversion per dtype, whatever the number of factors.
    pub(super) fn upload<'a>(
        files: &[Vec<&Factor>],
        read: impl Fn(usize, &Factor) -> Result<&'a [u8]>,
        device: &Device,
    ) -> Result<Vec<Self>> {
        let mut out: Vec<Self> = files.iter().map(|_| Self::default()).collect();
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let mut bytes = Vec::new();
            let mut places = Vec::new();
            for (index, factors) in files.iter().enumerate() {
                for factor in factors.iter().filter(|factor| factor.dtype == dtype) {
                    places.push((index, *factor, bytes.len() / dtype.size_in_bytes()));
                    bytes.extend_from_slice(read(index, factor)?);
                }
            }
            if places.is_empty() {
                continue;
            }
            let count = bytes.len() / dtype.size_in_bytes();
            let all = Tensor::from_raw_buffer(&bytes, dtype, &[count], device)?.to_dtype(DType::F32)?;
            for (index, factor, at) in places {
                let tensor = all.narrow(0, at, factor.count())?.reshape(factor.shape.as_slice())?;
                out[index].tensors.insert(factor.key.clone(), tensor);
            }
        }
        Ok(out)
    }
}
