//! An opened model: its configuration and the place of every tensor, whichever format its files have.
//!
//! A [`Checkpoint`] answers in the words of the diffusers layout. For a diffusers folder those are its files; for a
//! single file the configuration is derived from names and shapes, and a tensor's place is a part of a stored tensor
//! of another name. Nothing is converted ahead: layers read straight from the memory map.

mod derive;
mod detect;
mod folder;
mod ldm_clip;
mod ldm_unet;
mod ldm_vae;
mod report;
mod single_file;
mod summary;
mod tensor_file;
mod vae_override;

#[cfg(test)]
mod real_shapes_tests;

pub(crate) use self::report::is_harmless;
pub use self::report::{Architecture, LoadReport};
pub use self::summary::{FileKind, FileSummary};
pub(crate) use self::tensor_file::{Part, TensorFile};

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use candle_core::{DType, Device};
use serde::de::DeserializeOwned;

use self::single_file::SingleFile;
use crate::residence::MemoryUse;
use crate::scheduler::Prediction;
use crate::source::parse_json;
use crate::{Error, ModelSource};

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where the model computes.
    pub device: Device,
    /// What weights are converted to; on the CPU they always become f32, the only dtype that it is fast in.
    pub dtype: DType,
    /// What the network predicts, for models that do not say; `None` believes the model.
    pub prediction: Option<Prediction>,
    /// Whether the noise schedule ends without any signal (Lin et al. 2023); `None` believes the model.
    pub zero_terminal_snr: Option<bool>,
    /// Another autoencoder than the model's own: a `.safetensors` file with diffusers' or the latent diffusion code's
    /// names, alone or inside a complete checkpoint, or a folder in diffusers layout.
    pub vae: Option<PathBuf>,
    /// A folder with `tokenizer/` and `tokenizer_2/` for a single file that does not use CLIP's own vocabulary.
    pub tokenizers: Option<PathBuf>,
    /// How much of a graphics card's memory the model may take.
    pub memory: MemoryUse,
    /// Whether the linear layers behind layer norms compute with numbers of eight bits (e4m3): a step is shorter, the
    /// image a little different, and the UNet takes a quarter more memory for copies of its weights. For NVIDIA cards of
    /// compute capability 8.9 and later (RTX 40, H100, …) with feature `cuda`; elsewhere nothing changes.
    /// `docs/performance.md` has the times and the errors.
    pub fp8_linear: bool,
}

impl Default for LoadOptions {
    /// The model as it is, in f32 on the CPU.
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
            prediction: None,
            zero_terminal_snr: None,
            vae: None,
            tokenizers: None,
            memory: MemoryUse::default(),
            fp8_linear: false,
        }
    }
}

/// Where a weight is: a part of a tensor of a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Rc<TensorFile>,
    pub(crate) tensor: String,
    pub(crate) part: Part,
}

impl Place {
    /// The shape of the weight.
    pub(crate) fn shape(&self) -> Option<Vec<usize>> {
        self.part.shape(self.file.shape(&self.tensor)?)
    }
}

/// The place of every weight of a component, by the name that diffusers and transformers give it; text encoders always
/// with the prefix `text_model.`.
pub(crate) type Routing = HashMap<String, Place>;

/// How to open a model once more, long after it was loaded: no file is held open meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    source: ModelSource,
    options: LoadOptions,
}

impl Recipe {
    pub(crate) fn open(&self) -> Result<Checkpoint, Error> {
        Checkpoint::open(&self.source, &self.options)
    }

    /// Where the model computes.
    pub(crate) fn device(&self) -> &Device {
        &self.options.device
    }
}

/// An opened model.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    recipe: Recipe,
    layout: Layout,
    /// Read instead of everything below `vae/`.
    vae: Option<Layout>,
    /// Read instead of everything below `tokenizer/` and `tokenizer_2/`.
    tokenizers: Option<ModelSource>,
    report: Rc<RefCell<LoadReport>>,
    /// Whether layers get zeros without memory instead of weights; their names and shapes are checked all the same.
    shapes_only: bool,
}

#[derive(Debug)]
enum Layout {
    /// Files in diffusers layout.
    Diffusers(ModelSource),
    /// A folder that is the component `vae` itself.
    BareVae(ModelSource),
    SingleFile(SingleFile),
}

impl Checkpoint {
    pub(crate) fn open(source: &ModelSource, options: &LoadOptions) -> Result<Self, Error> {
        let report = Rc::new(RefCell::new(LoadReport::default()));
        let layout = match source {
            ModelSource::SingleFile(path) => {
                Layout::SingleFile(SingleFile::open(path, options.vae.is_none(), &report)?)
            }
            // Who has one path for a model, whatever it is, gives it as a folder.
            ModelSource::Folder(path) if path.is_file() => {
                Layout::SingleFile(SingleFile::open(path, options.vae.is_none(), &report)?)
            }
            ModelSource::Folder(_) | ModelSource::Embedded(_) => {
                source.check()?;
                Layout::Diffusers(source.clone())
            }
        };
        let mut checkpoint = Self {
            recipe: Recipe { source: source.clone(), options: options.clone() },
            layout,
            vae: None,
            tokenizers: options.tokenizers.clone().map(ModelSource::Folder),
            report,
            shapes_only: false,
        };
        if let Some(path) = &options.vae {
            checkpoint.vae = Some(vae_override::open(path, &checkpoint)?);
        }
        Ok(checkpoint)
    }

    pub(crate) fn recipe(&self) -> Recipe {
        self.recipe.clone()
    }

    /// The same model with zeros without memory instead of weights.
    #[cfg(test)]
    pub(crate) fn shapes_only(mut self) -> Self {
        self.shapes_only = true;
        self
    }

    pub(crate) fn is_shapes_only(&self) -> bool {
        self.shapes_only
    }

    pub(crate) fn report(&self) -> &Rc<RefCell<LoadReport>> {
        &self.report
    }

    fn layout(&self, path: &str) -> &Layout {
        match &self.vae {
            Some(vae) if path == "vae" || path.starts_with("vae/") => vae,
            _ => &self.layout,
        }
    }

    /// The files that hold `path`, and how they call it.
    fn files<'a>(&'a self, path: &'a str) -> Option<(&'a ModelSource, &'a str)> {
        match (&self.tokenizers, self.layout(path)) {
            (Some(source), _) if path.starts_with("tokenizer") => Some((source, path)),
            (_, Layout::Diffusers(source)) => Some((source, path)),
            (_, Layout::BareVae(source)) => Some((source, path.strip_prefix("vae/").unwrap_or(""))),
            // A tiny autoencoder for previews may lie beside the file.
            (_, Layout::SingleFile(file)) if path.starts_with("./") || path.starts_with("taesd") => {
                Some((file.beside(), path))
            }
            (_, Layout::SingleFile(_)) => None,
        }
    }

    /// Where a small file of the model is or would be, if the model is a folder on disk.
    pub(crate) fn path_of(&self, path: &str) -> Option<PathBuf> {
        match self.files(path)? {
            (ModelSource::Folder(folder), path) => Some(folder.join(path)),
            (ModelSource::SingleFile(_) | ModelSource::Embedded(_), _) => None,
        }
    }

    /// How a file is named in error messages.
    pub(crate) fn display(&self, path: &str) -> String {
        match (self.files(path), self.layout(path)) {
            (Some((source, path)), _) => source.display(path),
            (None, Layout::SingleFile(file)) => format!("{path} as derived from {}", file.name()),
            (None, Layout::Diffusers(source) | Layout::BareVae(source)) => source.display(path),
        }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        match (self.files(path), self.layout(path)) {
            (Some((source, path)), _) => source.contains(path),
            (None, Layout::SingleFile(file)) => file.config(path).is_some(),
            (None, _) => false,
        }
    }

    /// The content of a small file, or `None` if there is no such file.
    pub(crate) fn read_optional(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, Error> {
        match (self.files(path), self.layout(path)) {
            (Some((source, path)), _) => source.read_optional(path),
            (None, Layout::SingleFile(file)) => {
                Ok(file.config(path).map(|value| Cow::Owned(value.to_string().into_bytes())))
            }
            (None, _) => Ok(None),
        }
    }

    /// The content of a small file.
    pub(crate) fn read(&self, path: &str, expected: &str) -> Result<Cow<'static, [u8]>, Error> {
        self.read_optional(path)?
            .ok_or_else(|| Error::MissingFile { file: self.display(path), expected: expected.to_owned() })
    }

    /// A JSON file, or `None` if there is no such file.
    pub(crate) fn json_optional<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        self.read_optional(path)?.map(|bytes| parse_json(&bytes, || self.display(path))).transpose()
    }

    /// A JSON file that every model has.
    pub(crate) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let bytes = self.read(path, "a model in diffusers layout has one")?;
        parse_json(&bytes, || self.display(path))
    }

    /// How the caller wants the model to be loaded.
    pub(crate) fn options(&self) -> &LoadOptions {
        &self.recipe.options
    }

    /// The place of every weight of a component. `half` prefers a half-precision file where there are two.
    pub(crate) fn routing(&self, component: &str, stem: &str, half: bool) -> Result<Cow<'_, Routing>, Error> {
        match self.layout(component) {
            Layout::Diffusers(source) => folder::routing(source, component, component, stem, half).map(Cow::Owned),
            Layout::BareVae(source) => folder::routing(source, component, "", stem, half).map(Cow::Owned),
            Layout::SingleFile(file) if component == "." || component.starts_with("taesd") => {
                folder::routing(file.beside(), component, component, stem, half).map(Cow::Owned)
            }
            Layout::SingleFile(file) => file.routing(component).map(Cow::Borrowed).ok_or_else(|| Error::NotSdxl {
                file: file.name().to_owned(),
                found: format!("without a {component}"),
            }),
        }
    }

    /// Notes what the network's sizes say that the model is.
    pub(crate) fn note_architecture(&self, unet: &Routing) {
        self.report.borrow_mut().architecture = derive::architecture(unet);
    }
}
