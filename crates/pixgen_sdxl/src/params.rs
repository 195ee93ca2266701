//! The weights of a loaded component by name, and how to change them while the layers hold them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{Result, Shape, Tensor, bail};

/// Every weight of a component under the name that diffusers gives it.
///
/// A layer and this table share the storage of a weight: [`Params::write`] changes what the layer computes with, in
/// place, so that adapters come and go without a model being loaded again and addresses inside a captured graph stay.
#[derive(Debug, Default)]
pub(crate) struct Params {
    entries: BTreeMap<String, Param>,
    changes: AtomicU64,
}

/// Where a weight lies: some rows of a tensor, because layers of the same input are joined.
#[derive(Debug)]
struct Param {
    storage: Tensor,
    /// First row of the weight along the first axis of `storage`.
    row: usize,
    /// The weight's own shape, as in diffusers.
    shape: Shape,
    /// Whether `storage` has a convolution's input channels last: (outputs, height, width, inputs).
    channels_last: bool,
}

impl Params {
    pub(crate) fn insert(&mut self, name: String, storage: &Tensor, row: usize, shape: Shape) {
        self.entries.insert(name, Param { storage: storage.clone(), row, shape, channels_last: false });
    }

    /// A convolution's weight that lies channels-last; `shape` is its own, (outputs, inputs, height, width).
    pub(crate) fn insert_channels_last(&mut self, name: String, storage: &Tensor, shape: Shape) {
        self.entries.insert(name, Param { storage: storage.clone(), row: 0, shape, channels_last: true });
    }

    /// Whether there is a weight of this name.
    #[cfg(feature = "cuda")]
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Names and shapes, in the order of the names.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.entries.iter().map(|(name, param)| (name.as_str(), &param.shape))
    }

    /// The tensors in which the weights lie, each once, in the order of the names.
    #[cfg(feature = "cuda")]
    pub(crate) fn storages(&self) -> impl Iterator<Item = &Tensor> {
        let mut seen = std::collections::HashSet::new();
        self.entries.values().map(|param| &param.storage).filter(move |storage| seen.insert(storage.id()))
    }

    /// Bytes of all weights.
    #[cfg(feature = "cuda")]
    pub(crate) fn bytes(&self) -> usize {
        self.storages().map(|storage| storage.elem_count() * storage.dtype().size_in_bytes()).sum()
    }

    /// A copy of what the layer computes with now, in the weight's own shape and dtype.
    pub(crate) fn read(&self, name: &str) -> Result<Tensor> {
        self.view(name)?.force_contiguous()
    }

    /// What the layer computes with, in the weight's own shape and dtype: a view that changes with the next
    /// [`write`](Self::write).
    pub(crate) fn view(&self, name: &str) -> Result<Tensor> {
        let Param { storage, row, shape, channels_last } = self.param(name)?;
        if *channels_last {
            return storage.permute((0, 3, 1, 2));
        }
        let rows = shape.dims().first().copied().unwrap_or(1);
        storage.narrow(0, *row, rows)?.reshape(shape)
    }

    /// Replaces a weight in place. `value` has the weight's shape; it is brought to the layer's device and dtype.
    pub(crate) fn write(&self, name: &str, value: &Tensor) -> Result<()> {
        let Param { storage, row, shape, channels_last } = self.param(name)?;
        if value.shape() != shape {
            bail!("the weight {name} has shape {:?}, its replacement {:?}", shape.dims(), value.dims());
        }
        let value = value.to_device(storage.device())?.to_dtype(storage.dtype())?;
        let value = if *channels_last { value.permute((0, 2, 3, 1))? } else { value }.contiguous()?;
        self.changes.fetch_add(1, Ordering::Relaxed);
        storage.slice_set(&value, 0, *row)
    }

    /// How often a weight has changed: what was computed from the weights is out of date when this has.
    #[cfg(feature = "cuda")]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn param(&self, name: &str) -> Result<&Param> {
        match self.entries.get(name) {
            Some(param) => Ok(param),
            None => bail!("there is no weight {name}"),
        }
    }
}
