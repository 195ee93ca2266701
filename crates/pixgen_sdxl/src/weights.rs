//! Named tensors of one component, checked against the shapes that its configuration asks for.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::params::Params;

use candle_core::safetensors::{Load, MmapedSafetensors, SliceSafetensors};
use candle_core::{DType, Device, Shape, Tensor};

use crate::{Error, ModelSource};

/// How many missing tensors an error names.
const MISSING_NAMED: usize = 5;

/// The weight files of one component.
pub(crate) struct Weights {
    component: &'static str,
    files: Vec<WeightFile>,
    /// Tensor name to index in `files`.
    routing: HashMap<String, usize>,
    device: Device,
    dtype: DType,
    missing: RefCell<Vec<String>>,
    params: RefCell<Params>,
}

enum WeightFile {
    Mapped(MmapedSafetensors),
    Embedded(SliceSafetensors<'static>),
}

impl WeightFile {
    fn load(&self, name: &str, device: &Device) -> candle_core::Result<Tensor> {
        match self {
            Self::Mapped(file) => file.get(name)?.load(device),
            Self::Embedded(file) => file.get(name)?.load(device),
        }
    }

    fn names(&self) -> Vec<String> {
        let tensors = match self {
            Self::Mapped(file) => file.tensors(),
            Self::Embedded(file) => file.tensors(),
        };
        tensors.into_iter().map(|(name, _)| name).collect()
    }
}

impl Weights {
    /// Opens the weights of `component` (`unet`, `vae`, …); tensors are converted to `dtype` as they are read.
    pub(crate) fn open(
        source: &ModelSource,
        component: &'static str,
        stem: &str,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, Error> {
        let paths = source.weight_files(component, stem, dtype != DType::F32)?;
        let mut files = Vec::with_capacity(paths.len());
        let mut routing = HashMap::new();
        for path in paths {
            let file = open_file(source, &path)?;
            for name in file.names() {
                routing.insert(name, files.len());
            }
            files.push(file);
        }
        Ok(Self {
            component,
            files,
            routing,
            device: device.clone(),
            dtype,
            missing: RefCell::default(),
            params: RefCell::default(),
        })
    }

    /// The scope without a prefix.
    pub(crate) fn root(&self) -> Scope<'_> {
        Scope { weights: self, prefix: String::new() }
    }

    /// A tensor as the file has it, in the weights' dtype: what a layer computed with before it was changed.
    pub(crate) fn original(&self, name: &str, shape: &Shape) -> Result<Tensor, Error> {
        let tensor = self.root().read(name, shape.clone())?;
        if self.missing.borrow().is_empty() {
            return Ok(tensor);
        }
        Err(Error::MissingTensors { component: self.component.to_owned(), count: 1, keys: vec![name.to_owned()] })
    }

    /// The weights that the layers were built from, by name; fails when a tensor was asked for that is not there.
    ///
    /// Layers are built to the end first, so that the error can tell a wrong model (everything is missing)
    /// from a damaged one (one tensor is).
    pub(crate) fn finish(self) -> Result<Params, Error> {
        let missing = self.missing.borrow();
        if missing.is_empty() {
            return Ok(self.params.take());
        }
        Err(Error::MissingTensors {
            component: self.component.to_owned(),
            count: missing.len(),
            keys: missing.iter().take(MISSING_NAMED).cloned().collect(),
        })
    }
}

fn open_file(source: &ModelSource, path: &str) -> Result<WeightFile, Error> {
    let damaged = |reason: candle_core::Error| Error::DamagedWeights {
        file: source.display(path),
        reason: without_backtrace(&reason),
    };
    match source {
        ModelSource::Folder(folder) => {
            let file = folder.join(path);
            // Opening and mapping are one call in candle: a file that is not there must not be called damaged.
            std::fs::File::open(&file).map_err(|reason| Error::Read { file: source.display(path), reason })?;
            #[allow(unsafe_code, reason = "a memory map is the only way to read a 5 GB file without 5 GB of memory")]
            // SAFETY: the map is read while the model loads and dropped with `Weights`. A model folder is not
            // written to during that time; a file that is cut off by another process meanwhile ends this one
            // with SIGBUS, which is the risk of every memory map.
            let mapped = unsafe { MmapedSafetensors::new(&file) };
            Ok(WeightFile::Mapped(mapped.map_err(damaged)?))
        }
        ModelSource::Embedded(files) => {
            let (_, bytes) = files.iter().find(|(name, _)| *name == path).ok_or_else(|| Error::MissingFile {
                file: source.display(path),
                expected: "the index of the weight files names it".to_owned(),
            })?;
            Ok(WeightFile::Embedded(SliceSafetensors::new(bytes).map_err(damaged)?))
        }
    }
}

/// candle's errors carry paths and backtraces; the first line of the innermost one is the reason.
pub(crate) fn without_backtrace(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithPath { inner, .. } | candle_core::Error::WithBacktrace { inner, .. } => {
            without_backtrace(inner)
        }
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// A place in the tree of tensor names, as `down_blocks.0.resnets.1`.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl Scope<'_> {
    /// The scope one name deeper.
    pub(crate) fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { weights: self.weights, prefix: self.path(&name.to_string()) }
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// Whether a tensor of this name is there.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.weights.routing.contains_key(&self.path(name))
    }

    /// The tensor of this name in the weights' dtype, dense. Layers must keep this very storage (reshaped, if need
    /// be): it is what [`Params::write`] changes.
    pub(crate) fn get(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let tensor = self.read(name, shape.into())?;
        self.weights.params.borrow_mut().insert(self.path(name), &tensor, 0, tensor.shape().clone());
        Ok(tensor)
    }

    /// The tensors `name` of several scopes, each of the same shape, one after another along the first axis.
    pub(crate) fn get_joined(scopes: &[Self], name: &str, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let shape = shape.into();
        let parts: Vec<_> = scopes.iter().map(|scope| scope.read(name, shape.clone())).collect::<Result<_, _>>()?;
        let joined = Tensor::cat(&parts, 0)?;
        for (index, scope) in scopes.iter().enumerate() {
            let row = index * shape.dims().first().copied().unwrap_or(1);
            scope.weights.params.borrow_mut().insert(scope.path(name), &joined, row, shape.clone());
        }
        Ok(joined)
    }

    /// A tensor that is not there is noted for [`Weights::finish`] and replaced by zeros.
    fn read(&self, name: &str, shape: Shape) -> Result<Tensor, Error> {
        let Weights { files, routing, device, dtype, component, missing, .. } = self.weights;
        let key = self.path(name);
        let Some(index) = routing.get(&key) else {
            missing.borrow_mut().push(key);
            return Ok(Tensor::zeros((), *dtype, device)?.broadcast_as(shape)?);
        };
        let tensor = files[*index].load(&key, device)?;
        if tensor.dims() == shape.dims() {
            return Ok(tensor.to_dtype(*dtype)?);
        }
        // A linear layer over channels is stored as a 1×1 convolution by some models, and the other way round.
        if trimmed(tensor.dims()) == trimmed(shape.dims()) {
            return Ok(tensor.reshape(shape)?.to_dtype(*dtype)?);
        }
        Err(Error::WrongShape {
            component: (*component).to_owned(),
            key,
            found: tensor.dims().to_vec(),
            expected: shape.dims().to_vec(),
        })
    }
}

/// A shape without its last ones.
fn trimmed(dims: &[usize]) -> &[usize] {
    let ones = dims.iter().rev().take_while(|size| **size == 1).count();
    &dims[..dims.len() - ones]
}
