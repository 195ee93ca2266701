//! Named tensors of one component, checked against the shapes that its configuration asks for.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use candle_core::{DType, Device, Shape, Tensor};

use crate::Error;
use crate::checkpoint::{Checkpoint, LoadReport, Place, Routing, is_harmless};
use crate::params::Params;

/// How many missing tensors an error names.
const MISSING_NAMED: usize = 5;
/// How many missing tensors are counted: a configuration may ask for more than there is memory to note.
const MISSING_COUNTED: usize = 10_000;

/// The weights of one component while its layers are built.
pub(crate) struct Weights {
    component: &'static str,
    routing: Routing,
    device: Device,
    dtype: DType,
    shapes_only: bool,
    missing: RefCell<Vec<String>>,
    /// Names that layers have read, and beginnings of names that no layer needs.
    used: RefCell<HashSet<String>>,
    not_needed: RefCell<Vec<String>>,
    params: RefCell<Params>,
    report: Rc<RefCell<LoadReport>>,
    /// What a tensor is multiplied with as it is read.
    factor: Option<Factor>,
}

/// What the tensor of a name is multiplied with.
type Factor = Box<dyn Fn(&str) -> f64>;

impl Weights {
    /// Opens the weights of `component` (`unet`, `vae`, …); tensors are converted to `dtype` as they are read.
    pub(crate) fn open(
        source: &Checkpoint,
        component: &'static str,
        stem: &str,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, Error> {
        let routing = source.routing(component, stem, dtype != DType::F32)?.into_owned();
        if component == "unet" {
            source.note_architecture(&routing);
        }
        Ok(Self {
            component,
            routing,
            device: device.clone(),
            dtype,
            shapes_only: source.is_shapes_only(),
            missing: RefCell::default(),
            used: RefCell::default(),
            not_needed: RefCell::default(),
            params: RefCell::default(),
            report: Rc::clone(source.report()),
            factor: None,
        })
    }

    /// Multiplies tensors as they are read, by their name.
    pub(crate) fn multiply(&mut self, factor: impl Fn(&str) -> f64 + 'static) {
        self.factor = Some(Box::new(factor));
    }

    /// The scope without a prefix.
    pub(crate) fn root(&self) -> Scope<'_> {
        Scope { weights: self, prefix: String::new() }
    }

    /// A tensor as the file has it, in the weights' dtype: what a layer computed with before it was changed.
    pub(crate) fn original(&self, name: &str, shape: &Shape) -> Result<Tensor, Error> {
        let tensor = self.root().read(name, shape.clone())?;
        self.check_missing(0)?;
        Ok(tensor)
    }

    /// The weights that the layers were built from, by name; fails when a tensor was asked for that is not there.
    ///
    /// Layers are built to the end first, so that the error can tell a wrong model (everything is missing)
    /// from a damaged one (one tensor is).
    pub(crate) fn finish(self) -> Result<Params, Error> {
        self.check_missing(0)?;
        let mut report = self.report.borrow_mut();
        let (used, not_needed) = (self.used.borrow(), self.not_needed.borrow());
        report.loaded += used.len();
        for name in self.routing.keys().filter(|name| !used.contains(*name)) {
            if is_harmless(name) || not_needed.iter().any(|beginning| name.starts_with(beginning)) {
                report.harmless += 1;
            } else {
                report.unused.push(format!("{}: {name}", self.component));
            }
        }
        report.unused.sort();
        Ok(self.params.take())
    }

    /// Fails when more than `allowed` tensors are missing.
    fn check_missing(&self, allowed: usize) -> Result<(), Error> {
        let missing = self.missing.borrow();
        if missing.len() <= allowed {
            return Ok(());
        }
        Err(Error::MissingTensors {
            component: self.component.to_owned(),
            count: missing.len(),
            keys: missing.iter().take(MISSING_NAMED).cloned().collect(),
        })
    }

    /// Zeros that take no memory, whatever their shape.
    fn zeros(&self, shape: &Shape) -> Result<Tensor, Error> {
        Ok(Tensor::zeros((), self.dtype, &self.device)?.broadcast_as(shape)?)
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

    /// Says that no layer needs what is in this scope: it is not reported as unused.
    pub(crate) fn is_not_needed(&self) {
        self.weights.not_needed.borrow_mut().push(format!("{}.", self.prefix));
    }

    /// The tensor of this name in the weights' dtype, dense. Layers must keep this very storage (reshaped, if need
    /// be): it is what [`Params::write`] changes.
    pub(crate) fn get(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let tensor = self.read(name, shape.into())?;
        self.weights.params.borrow_mut().insert(self.path(name), &tensor, 0, tensor.shape().clone());
        Ok(tensor)
    }

    /// The weight of a convolution, (outputs, inputs, height, width). On graphics cards its numbers lie channels-last,
    /// as fused convolutions read them, and the tensor is a view of them.
    pub(crate) fn get_kernel(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let tensor = self.read(name, shape.into())?;
        if !channels_last(&tensor) {
            self.weights.params.borrow_mut().insert(self.path(name), &tensor, 0, tensor.shape().clone());
            return Ok(tensor);
        }
        let storage = tensor.permute((0, 2, 3, 1))?.contiguous()?;
        self.weights.params.borrow_mut().insert_channels_last(self.path(name), &storage, tensor.shape().clone());
        Ok(storage.permute((0, 3, 1, 2))?)
    }

    /// The tensors `name` of several scopes, each of the same shape, one after another along the first axis.
    pub(crate) fn get_joined(scopes: &[Self], name: &str, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let shape = shape.into();
        let parts: Vec<_> = scopes.iter().map(|scope| scope.read(name, shape.clone())).collect::<Result<_, _>>()?;
        let whole = |part: &Tensor| part.is_contiguous();
        let joined = match scopes.first() {
            // Zeros that stand for something missing must not be given memory.
            Some(scope) if !parts.iter().all(whole) => {
                let rows = shape.dims().first().copied().unwrap_or(1).saturating_mul(parts.len());
                let rest = shape.dims().iter().skip(1).copied();
                scope.weights.zeros(&Shape::from(std::iter::once(rows).chain(rest).collect::<Vec<_>>()))?
            }
            _ => Tensor::cat(&parts, 0)?,
        };
        for (index, scope) in scopes.iter().enumerate() {
            let row = index * shape.dims().first().copied().unwrap_or(1);
            scope.weights.params.borrow_mut().insert(scope.path(name), &joined, row, shape.clone());
        }
        Ok(joined)
    }

    /// A tensor that is not there is noted for [`Weights::finish`] and replaced by zeros.
    fn read(&self, name: &str, shape: Shape) -> Result<Tensor, Error> {
        let weights = self.weights;
        let component = || weights.component.to_owned();
        let key = self.path(name);
        let Some(place) = weights.routing.get(&key) else {
            weights.missing.borrow_mut().push(key);
            weights.check_missing(MISSING_COUNTED)?;
            return weights.zeros(&shape);
        };
        weights.used.borrow_mut().insert(key.clone());
        let factor = weights.factor.as_ref().map_or(1.0, |factor| factor(&key));
        let Place { file, tensor, part } = place;
        if let Some(found) = file.foreign_dtype(tensor) {
            return Err(Error::WrongDtype { component: component(), key, found });
        }
        // A linear layer over channels is stored as a 1×1 convolution by some models, and the other way round.
        if place.shape().is_none_or(|found| trimmed(&found) != trimmed(shape.dims())) {
            let found = file.shape(tensor).unwrap_or_default().to_vec();
            return Err(Error::WrongShape { component: component(), key, found, expected: shape.dims().to_vec() });
        }
        if weights.shapes_only {
            return weights.zeros(&shape);
        }
        // Norms and biases only: to look at every weight would take as long as reading the file.
        if shape.rank() <= 1 && !is_finite(&file.load(tensor, *part, DType::F32, &Device::Cpu)?)? {
            return Err(Error::NotFiniteWeights { component: component(), key });
        }
        let loaded = file.load(tensor, *part, weights.dtype, &weights.device)?.reshape(shape)?;
        Ok(if factor == 1.0 { loaded } else { (loaded * factor)? })
    }
}

/// Whether fused kernels will read this weight of a convolution.
fn channels_last(weight: &Tensor) -> bool {
    #[cfg(feature = "cuda")]
    return crate::cuda::serves(weight.device(), weight.dtype()) && weight.is_contiguous();
    #[cfg(not(feature = "cuda"))]
    {
        let _ = weight;
        false
    }
}

fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().all(f32::is_finite))
}

/// A shape without its last ones.
fn trimmed(dims: &[usize]) -> &[usize] {
    let ones = dims.iter().rev().take_while(|size| **size == 1).count();
    &dims[..dims.len() - ones]
}
