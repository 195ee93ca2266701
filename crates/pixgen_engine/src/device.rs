//! Where the model runs.

use candle_core::{DType, Device};

use crate::EngineError;

/// Where the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DevicePreference {
    /// The first GPU that this build supports, else the CPU.
    #[default]
    Auto,
    /// The CPU, with all cores but one.
    Cpu,
    /// The CUDA GPU of this index.
    Cuda(usize),
    /// The Metal GPU of this index.
    Metal(usize),
}

impl DevicePreference {
    /// Opens the device, and says in which type the weights should be held there.
    pub(crate) fn open(self) -> Result<(Device, DType), EngineError> {
        let failed =
            |device: String| move |e: candle_core::Error| EngineError::Device { device, reason: e.to_string() };
        match self {
            Self::Cpu => Ok((Device::Cpu, DType::F32)),
            Self::Cuda(index) => {
                let device = Device::new_cuda(index).map_err(failed(format!("cuda:{index}")))?;
                Ok((device, DType::F16))
            }
            Self::Metal(index) => {
                let device = Device::new_metal(index).map_err(failed(format!("metal:{index}")))?;
                Ok((device, DType::F16))
            }
            Self::Auto => {
                let gpu = if cfg!(feature = "cuda") {
                    Some(Self::Cuda(0))
                } else if cfg!(feature = "metal") {
                    Some(Self::Metal(0))
                } else {
                    None
                };
                match gpu.map(Self::open) {
                    Some(Ok(opened)) => Ok(opened),
                    Some(Err(error)) => {
                        tracing::warn!("{error}; drawing on the CPU instead");
                        Self::Cpu.open()
                    }
                    None => Self::Cpu.open(),
                }
            }
        }
    }
}
