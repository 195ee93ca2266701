//! Opens the device that a user prefers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device};
use pixgen_api::DevicePreference;

use crate::EngineError;

/// The NVIDIA cards that were opened, by their number.
static CARDS: Mutex<BTreeMap<usize, Device>> = Mutex::new(BTreeMap::new());

/// Opens a device, and says in which type the weights should be held there.
pub(crate) fn open(preference: DevicePreference) -> Result<(Device, DType), EngineError> {
    let failed = |device: String| move |e: candle_core::Error| EngineError::Device { device, reason: e.to_string() };
    match preference {
        DevicePreference::Cpu => Ok((Device::Cpu, DType::F32)),
        DevicePreference::Cuda(index) => {
            // Once per process: what was compiled and measured for a card serves the next model, too.
            let mut opened = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(device) = opened.get(&index) {
                return Ok((device.clone(), DType::F16));
            }
            let device = Device::new_cuda(index).map_err(failed(format!("cuda:{index}")))?;
            opened.insert(index, device.clone());
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
