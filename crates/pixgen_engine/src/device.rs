//! Opens the device that a user prefers.

use candle_core::{DType, Device};
use pixgen_api::DevicePreference;

use crate::EngineError;

/// Opens a device, and says in which type the weights should be held there.
pub(crate) fn open(preference: DevicePreference) -> Result<(Device, DType), EngineError> {
    let failed = |device: String| move |e: candle_core::Error| EngineError::Device { device, reason: e.to_string() };
    match preference {
        DevicePreference::Cpu => Ok((Device::Cpu, DType::F32)),
        DevicePreference::Cuda(index) => {
            let device = Device::new_cuda(index).map_err(failed(format!("cuda:{index}")))?;
            Ok((device, DType::F16))
        }
        DevicePreference::Metal(index) => {
            let device = Device::new_metal(index).map_err(failed(format!("metal:{index}")))?;
            Ok((device, DType::F16))
        }
        DevicePreference::Auto => {
            let gpu = if cfg!(feature = "cuda") {
                Some(DevicePreference::Cuda(0))
            } else if cfg!(feature = "metal") {
                Some(DevicePreference::Metal(0))
            } else {
                None
            };
            match gpu.map(open) {
                Some(Ok(opened)) => Ok(opened),
                Some(Err(error)) => {
                    tracing::warn!("{error}; drawing on the CPU instead");
                    open(DevicePreference::Cpu)
                }
                None => open(DevicePreference::Cpu),
            }
        }
    }
}
