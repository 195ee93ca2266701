//! Whether a request can be drawn, before anything is loaded for it: a sentence for every reason why not.

use pixgen_api::{DevicePreference, Request};
use pixgen_sdxl::{FileKind, FileSummary};

use crate::memory::{self, MemoryNeed, Place, gib};
use crate::{EngineError, InMemory, ModelInfo, Plan, Weights, inputs, picture};

/// What is known of a request before it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// What will be drawn; `None` when the request or the model does not allow it. Its seed is the request's, or 0.
    pub plan: Option<Plan>,
    /// Why it cannot be drawn, each with what to do; empty when it can.
    pub refusals: Vec<String>,
    /// What should be known before the first step.
    pub warnings: Vec<String>,
    /// What it needs against what there is.
    pub memory: MemoryNeed,
}

impl Preflight {
    /// Looks at a request, its files and the memory of `device`. `loaded` is the model that is in memory already.
    ///
    /// No weights are read: headers only. It may take some hundredths of a second, and longer with a slow disk.
    #[must_use]
    pub fn of(request: &Request, device: DevicePreference, loaded: Option<&InMemory>) -> Self {
        let mut found = Self { plan: None, refusals: Vec::new(), warnings: Vec::new(), memory: MemoryNeed::default() };
        if let Err(error) = request.validate() {
            found.refusals.push(error.to_string());
        }
        found.check_files(request);
        match ModelInfo::read(&request.model).and_then(|model| Plan::new(request, &model, 0)) {
            Ok(plan) => {
                found.warnings.extend(plan.warnings.iter().cloned());
                found.check_memory(&plan, device, loaded);
                found.plan = Some(plan);
            }
            // The request's own faults were named above.
            Err(EngineError::Request(_)) => {}
            Err(error) => found.refusals.push(error.to_string()),
        }
        found
    }

    /// Whether nothing stands against it.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.refusals.is_empty()
    }

    fn check_files(&mut self, request: &Request) {
        self.refusals.extend(inputs::faults(request).map(|fault| fault.to_string()));
        if let pixgen_api::ModelRef::File(file) = &request.model
            && file.is_file()
        {
            match FileSummary::read(file) {
                Ok(FileSummary { kind: FileKind::Sdxl, .. }) => {}
                Ok(FileSummary { kind: FileKind::Lora, .. }) => {
                    self.refusals.push(format!("{} is a LoRA, no model: add it to loras", file.display()));
                }
                Ok(FileSummary { kind: FileKind::Other(found), .. }) => {
                    self.refusals
                        .push(pixgen_sdxl::Error::NotSdxl { file: file.display().to_string(), found }.to_string());
                }
                Ok(_) => {}
                Err(error) => self.refusals.push(error.to_string()),
            }
        }
        for lora in request.loras.iter().filter(|lora| lora.path.is_file()) {
            match FileSummary::read(&lora.path) {
                Ok(FileSummary { kind: FileKind::Sdxl, .. }) => {
                    let path = lora.path.display();
                    self.refusals.push(format!("{path} is a whole model, no LoRA: choose it as the model"));
                }
                // What a file of unknown names is, applying it will tell.
                Ok(_) => {}
                Err(error) => self.refusals.push(error.to_string()),
            }
        }
        for path in [&request.init_image, &request.mask].into_iter().flatten().filter(|path| path.is_file()) {
            if let Err(error) = picture::open(path) {
                self.refusals.push(error.to_string());
            }
        }
    }

    fn check_memory(&mut self, plan: &Plan, device: DevicePreference, loaded: Option<&InMemory>) {
        let place = Place::of(device);
        let weights = Weights::of(&plan.request);
        let (image_px, frames) = (plan.image_px, plan.request.frames());
        self.memory = match loaded.filter(|loaded| loaded.weights == weights) {
            Some(InMemory { memory, .. }) => memory::need_of_loaded(&weights, *memory, image_px, frames, place),
            None => memory::need(&weights, image_px, frames, place),
        };
        // Another model that is loaded goes before this one comes: how much that frees is not known, so nothing is refused.
        if self.memory.is_refused() && loaded.is_none() && place.is_sure() {
            self.refusals.push(out_of_memory(&self.memory, place).to_string());
        } else if self.memory.is_tight() {
            let MemoryNeed { weights_bytes, work_bytes, free_bytes } = self.memory;
            self.warnings.push(format!(
                "drawing needs about {} and {} of {} are free: it may fail; close other programs, or draw smaller or \
                 fewer frames",
                gib(weights_bytes.saturating_add(work_bytes)),
                gib(free_bytes.unwrap_or_default()),
                place.name()
            ));
        }
    }
}

/// The refusal of a model that has no room.
pub(crate) fn out_of_memory(need: &MemoryNeed, place: Place) -> EngineError {
    EngineError::OutOfMemory {
        reason: format!(
            "the model's weights need {} and {} of {} are free",
            gib(need.weights_bytes),
            gib(need.free_bytes.unwrap_or_default()),
            place.name()
        ),
    }
}
