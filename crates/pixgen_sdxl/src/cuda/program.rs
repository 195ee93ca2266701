//! A network for one shape as a list of operations on fixed addresses, replayed for every step.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc;
use candle_core::{Error, Result, Tensor};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, CudaSlice, DevicePtr, result};

use super::arena::{Arena, Range};
use super::gpu::Gpu;
use super::product::{PreparedProduct, Product};
use super::tensor_map::{EncodedMap, TensorMap};

/// An intermediate result, or a weight. Its memory is free for later operations when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Place {
    spot: Spot,
    /// Held as long as the place is.
    _range: Option<Range>,
}

/// Where an operation finds its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    /// Some bytes after the beginning of the program's arena.
    Arena(usize),
    /// At an address that never changes: a weight.
    Fixed(u64),
}

impl Spot {
    /// The spot some bytes further on.
    pub(super) fn after(self, bytes: usize) -> Self {
        match self {
            Self::Arena(offset) => Self::Arena(offset + bytes),
            Self::Fixed(address) => Self::Fixed(address + bytes as u64),
        }
    }

    fn resolve(self, base: u64) -> u64 {
        match self {
            Self::Arena(offset) => base + offset as u64,
            Self::Fixed(address) => address,
        }
    }
}

impl Place {
    /// Memory that nothing else uses while the program lives.
    pub(super) fn fixed(address: u64) -> Self {
        Self { spot: Spot::Fixed(address), _range: None }
    }

    pub(super) fn spot(&self) -> Spot {
        self.spot
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    Spot(Spot),
    /// A tensor as Hopper's tensor memory accelerator wants it described.
    Tensor(TensorMap),
    Int(i32),
    Float(f32),
}

impl From<TensorMap> for Argument {
    fn from(map: TensorMap) -> Self {
        Self::Tensor(map)
    }
}

impl From<&Place> for Argument {
    fn from(place: &Place) -> Self {
        Self::Spot(place.spot())
    }
}

impl From<Spot> for Argument {
    fn from(spot: Spot) -> Self {
        Self::Spot(spot)
    }
}

impl From<u64> for Argument {
    fn from(address: u64) -> Self {
        Self::Spot(Spot::Fixed(address))
    }
}

impl From<usize> for Argument {
    fn from(number: usize) -> Self {
        // Sizes are checked when a network is recorded; a number that does not fit is refused by the bounds of kernels.
        Self::Int(i32::try_from(number).unwrap_or(i32::MAX))
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<f32> for Argument {
    fn from(number: f32) -> Self {
        Self::Float(number)
    }
}

/// One launch of a kernel.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) kernel: &'static str,
    pub(super) grid: [usize; 3],
    pub(super) block: [usize; 2],
    pub(super) shared_bytes: usize,
    pub(super) arguments: Vec<Argument>,
}

/// What has been recorded.
enum Recorded {
    /// Writes zeros.
    Clear(Spot, usize),
    Launch(Launch),
    /// One of several launches that do the same, whichever is the fastest for these sizes.
    Choice(Vec<usize>, Vec<Launch>),
    Product(Product),
    #[cfg(feature = "cudnn")]
    Convolution(super::cudnn::Convolution),
}

/// The same with addresses.
enum Operation {
    Clear(u64, usize),
    Launch(PreparedLaunch),
    Product(PreparedProduct),
    #[cfg(feature = "cudnn")]
    Convolution(super::cudnn::PreparedConvolution),
}

#[derive(Clone, Debug)]
enum Value {
    Map(Box<EncodedMap>),
    Address(u64),
    Int(i32),
    Float(f32),
}

impl Value {
    fn pointer(&self) -> *mut std::ffi::c_void {
        match self {
            Self::Map(map) => std::ptr::from_ref(&**map).cast_mut().cast(),
            Self::Address(address) => std::ptr::from_ref(address).cast_mut().cast(),
            Self::Int(number) => std::ptr::from_ref(number).cast_mut().cast(),
            Self::Float(number) => std::ptr::from_ref(number).cast_mut().cast(),
        }
    }
}

/// A launch with addresses.
struct PreparedLaunch {
    launch: Launch,
    values: Vec<Value>,
}

impl PreparedLaunch {
    fn new(gpu: &Gpu, launch: Launch, address: impl Fn(Spot) -> u64) -> Result<Self> {
        let values = launch.arguments.iter().map(|argument| {
            Ok(match argument {
                Argument::Spot(spot) => Value::Address(address(*spot)),
                Argument::Tensor(map) => Value::Map(Box::new(map.encode(gpu, address(map.spot))?)),
                Argument::Int(number) => Value::Int(*number),
                Argument::Float(number) => Value::Float(*number),
            })
        });
        Ok(Self { values: values.collect::<Result<_>>()?, launch })
    }

    /// The fastest of several; the memory at their places is overwritten if the sizes are new.
    fn fastest(gpu: &Gpu, sizes: &[usize], launches: Vec<Launch>, address: impl Fn(Spot) -> u64) -> Result<Self> {
        let kernel = gpu.chosen_kernel(sizes);
        let mut best: Option<(f32, Self)> = None;
        for launch in launches {
            if kernel.is_some_and(|kernel| kernel != launch.kernel) {
                continue;
            }
            let prepared = Self::new(gpu, launch, &address)?;
            if kernel.is_some() {
                return Ok(prepared);
            }
            // A card may have no room for the larger ones.
            let Ok(time_ms) = gpu.measure(|| prepared.run(gpu)) else { continue };
            if best.as_ref().is_none_or(|(shortest, _)| time_ms < *shortest) {
                best = Some((time_ms, prepared));
            }
        }
        let Some((time_ms, prepared)) = best else {
            candle_core::bail!("the card runs none of the kernels for {sizes:?}")
        };
        tracing::debug!(?sizes, kernel = prepared.launch.kernel, time_ms, "chose a kernel");
        gpu.choose_kernel(sizes, prepared.launch.kernel);
        Ok(prepared)
    }

    fn run(&self, gpu: &Gpu) -> Result<()> {
        let number = |size: usize| u32::try_from(size).map_err(Error::wrap);
        let Launch { kernel, grid: [x, y, z], block: [columns, rows], shared_bytes, .. } = &self.launch;
        let function = gpu.kernels().get(kernel)?;
        let mut pointers: Vec<_> = self.values.iter().map(Value::pointer).collect();
        // SAFETY: the recording functions pass what the kernels of `kernels/` take, and the memory is the program's.
        unsafe {
            result::launch_kernel(
                function.cu_function(),
                (number(*x)?, number(*y)?, number(*z)?),
                (number(*columns)?, number(*rows)?, 1),
                number(*shared_bytes)?,
                gpu.stream().cu_stream(),
                &mut pointers,
            )
            .map_err(|error| Error::Msg(format!("the kernel {kernel} could not be launched: {error}")))
        }
    }

    /// What a profile calls it.
    fn describe(&self) -> String {
        let Launch { kernel, grid: [x, y, z], .. } = self.launch;
        format!("{kernel} {x}×{y}×{z}")
    }
}

/// Bytes of a program's counters: a few hundred norms of a few images have one each.
const COUNTERS_BYTES: usize = 64 << 10;

/// Collects operations.
pub(super) struct Recorder {
    pub(super) gpu: Arc<Gpu>,
    arena: Arena,
    operations: Vec<Recorded>,
    /// What is computed from weights alone.
    preparations: Vec<Recorded>,
    /// Memory besides the arena that operations name by address.
    kept: Vec<CudaSlice<u8>>,
    /// Counters in use, in bytes.
    counters: usize,
    /// Weights, which must live as long as their addresses are used.
    weights: Vec<Tensor>,
}

impl Recorder {
    pub(super) fn new(gpu: &Arc<Gpu>) -> Result<Self> {
        let mut recorder = Self {
            gpu: Arc::clone(gpu),
            arena: Arena::default(),
            operations: Vec::new(),
            preparations: Vec::new(),
            kept: Vec::new(),
            counters: 0,
            weights: Vec::new(),
        };
        // At the beginning of every run: one that was cut off must not leave anything behind.
        let counters = recorder.lasting_memory(COUNTERS_BYTES)?;
        recorder.operations.push(Recorded::Clear(Spot::Fixed(counters), COUNTERS_BYTES));
        Ok(recorder)
    }

    /// The address of `count` u32 that are zero at the beginning of every run.
    pub(super) fn counters(&mut self, count: usize) -> Result<u64> {
        let Some(Recorded::Clear(Spot::Fixed(address), _)) = self.operations.first() else {
            candle_core::bail!("a program begins by clearing its counters")
        };
        let address = *address + self.counters as u64;
        self.counters += count * size_of::<u32>();
        if self.counters > COUNTERS_BYTES {
            candle_core::bail!("a batch of this size needs more than {COUNTERS_BYTES} bytes of counters");
        }
        Ok(address)
    }

    /// Memory for an intermediate result: free for others when the place and its clones are dropped.
    pub(super) fn memory(&self, bytes: usize) -> Place {
        let range = self.arena.take(bytes);
        Place { spot: Spot::Arena(range.offset()), _range: Some(range) }
    }

    /// Memory that nothing else uses while the program lives, as it comes.
    pub(super) fn lasting_memory(&mut self, bytes: usize) -> Result<u64> {
        let memory = self.gpu.allocate(bytes)?;
        let address = memory.device_ptr(self.gpu.stream()).0;
        self.kept.push(memory);
        Ok(address)
    }

    /// The same with these bytes in it.
    pub(super) fn lasting_bytes(&mut self, bytes: &[u8]) -> Result<u64> {
        let memory = self.gpu.stream().clone_htod(bytes).map_err(Error::wrap)?;
        let address = memory.device_ptr(self.gpu.stream()).0;
        self.kept.push(memory);
        Ok(address)
    }

    /// The address of a weight, which then lives as long as the program.
    pub(super) fn weight(&mut self, tensor: Tensor) -> Result<u64> {
        let address = self.gpu.address(&tensor)?;
        self.weights.push(tensor);
        Ok(address)
    }

    pub(super) fn launch(&mut self, launch: Launch) {
        self.operations.push(Recorded::Launch(launch));
    }

    /// Has a kernel run once for all runs, and again when weights have changed.
    pub(super) fn prepare(&mut self, launch: Launch) {
        self.preparations.push(Recorded::Launch(launch));
    }

    /// Likewise zeros at an address.
    pub(super) fn prepare_zeros(&mut self, address: u64, bytes: usize) {
        self.preparations.push(Recorded::Clear(Spot::Fixed(address), bytes));
    }

    /// One of several launches that do the same; the fastest is measured once per `sizes`.
    pub(super) fn fastest(&mut self, sizes: Vec<usize>, launches: Vec<Launch>) {
        self.operations.push(Recorded::Choice(sizes, launches));
    }

    pub(super) fn product(&mut self, product: Product) {
        self.operations.push(Recorded::Product(product));
    }

    #[cfg(feature = "cudnn")]
    pub(super) fn convolution(&mut self, convolution: super::cudnn::Convolution) {
        self.operations.push(Recorded::Convolution(convolution));
    }

    /// Bytes of the arena.
    pub(super) fn arena_bytes(&self) -> usize {
        self.arena.peak()
    }

    /// Takes the memory, gives everything its address and chooses algorithms.
    pub(super) fn finish(self) -> Result<Program> {
        let Self { gpu, arena, operations, preparations, kept, weights, .. } = self;
        let memory = gpu.allocate(arena.peak())?;
        let base = memory.device_ptr(gpu.stream()).0;
        let address = |spot: Spot| spot.resolve(base);
        let addressed = |operations: Vec<Recorded>| {
            let operations = operations.into_iter().map(|operation| {
                Ok(match operation {
                    Recorded::Clear(spot, bytes) => Operation::Clear(address(spot), bytes),
                    Recorded::Launch(launch) => Operation::Launch(PreparedLaunch::new(&gpu, launch, address)?),
                    Recorded::Choice(sizes, launches) => {
                        Operation::Launch(PreparedLaunch::fastest(&gpu, &sizes, launches, address)?)
                    }
                    Recorded::Product(product) => Operation::Product(PreparedProduct::new(&gpu, &product, address)?),
                    #[cfg(feature = "cudnn")]
                    Recorded::Convolution(convolution) => {
                        Operation::Convolution(super::cudnn::PreparedConvolution::new(&gpu, &convolution, address)?)
                    }
                })
            });
            operations.collect::<Result<Vec<_>>>()
        };
        let preparations = addressed(preparations)?;
        Ok(Program {
            graph: Graph::NotYet,
            operations: addressed(operations)?,
            preparations,
            #[cfg(test)]
            base,
            _memory: memory,
            gpu,
            _kept: kept,
            _weights: weights,
        })
    }
}

fn launched(graph: CudaGraph) -> Result<CudaGraph> {
    graph.launch().map_err(Error::wrap)?;
    Ok(graph)
}

/// Writes zeros.
fn clear(gpu: &Gpu, address: u64, bytes: usize) -> Result<()> {
    // SAFETY: the program has taken this memory.
    unsafe { result::memset_d8_async(address, 0, bytes, gpu.stream().cu_stream()) }.map_err(Error::wrap)
}

/// A recorded network.
pub(super) struct Program {
    /// Before what it uses: fields are dropped in this order.
    graph: Graph,
    operations: Vec<Operation>,
    preparations: Vec<Operation>,
    #[cfg(test)]
    base: u64,
    gpu: Arc<Gpu>,
    _memory: CudaSlice<u8>,
    _kept: Vec<CudaSlice<u8>>,
    _weights: Vec<Tensor>,
}

enum Graph {
    /// Libraries set themselves up in the first run, which may not be captured.
    NotYet,
    /// The second run captures.
    Next,
    Captured(CudaGraph),
    /// The driver refused: operations are launched one by one.
    Refused,
}

// SAFETY: a program belongs to one thread at a time; the driver's handles may move between threads.
unsafe impl Send for Program {}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

impl Program {
    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The address of a place of the recording.
    #[cfg(test)]
    pub(super) fn address(&self, place: &Place) -> u64 {
        place.spot().resolve(self.base)
    }

    /// Runs all operations: as a captured graph from the second time on, if `graphs`.
    pub(super) fn run(&mut self, graphs: bool) -> Result<()> {
        if !graphs {
            return self.run_plain();
        }
        match &self.graph {
            Graph::Captured(graph) => return graph.launch().map_err(Error::wrap),
            Graph::NotYet => self.graph = Graph::Next,
            // The first launch takes memory, so it may fail where single kernels do not.
            Graph::Next => match self.capture().and_then(launched) {
                Ok(graph) => {
                    self.graph = Graph::Captured(graph);
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(%error, "the driver captures no graph: steps take a little longer");
                    self.graph = Graph::Refused;
                }
            },
            Graph::Refused => {}
        }
        self.run_plain()
    }

    fn capture(&self) -> Result<CudaGraph> {
        let stream = self.gpu.stream();
        // An error that was noted before would keep the capture from ending.
        stream.context().check_err().map_err(Error::wrap)?;
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(Error::wrap)?;
        let ran = self.run_plain();
        // The capture has to end whatever happened.
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).map_err(Error::wrap);
        ran?;
        match graph? {
            Some(graph) => Ok(graph),
            None => candle_core::bail!("the capture is empty"),
        }
    }

    /// Computes what depends on weights alone: before the first run, and when weights have changed.
    pub(super) fn prepare(&self) -> Result<()> {
        self.run_each(&self.preparations)
    }

    fn run_plain(&self) -> Result<()> {
        self.run_each(&self.operations)
    }

    fn run_each(&self, operations: &[Operation]) -> Result<()> {
        for operation in operations {
            match operation {
                Operation::Clear(address, bytes) => clear(&self.gpu, *address, *bytes)?,
                Operation::Launch(launch) => launch.run(&self.gpu)?,
                Operation::Product(product) => product.run(&self.gpu)?,
                #[cfg(feature = "cudnn")]
                Operation::Convolution(convolution) => convolution.run(&self.gpu)?,
            }
        }
        Ok(())
    }

    /// Milliseconds of each kind of operation in one run, the longest first: what a profile of a step consists of.
    pub(super) fn profile(&self) -> Result<Vec<(String, usize, f32)>> {
        let mut kinds: std::collections::BTreeMap<String, (usize, f32)> = std::collections::BTreeMap::new();
        for operation in &self.operations {
            let (name, time_ms) = match operation {
                Operation::Clear(address, bytes) => {
                    ("clear".to_owned(), self.gpu.measure(|| clear(&self.gpu, *address, *bytes))?)
                }
                Operation::Launch(prepared) => (prepared.describe(), self.gpu.measure(|| prepared.run(&self.gpu))?),
                Operation::Product(product) => (product.describe(), self.gpu.measure(|| product.run(&self.gpu))?),
                #[cfg(feature = "cudnn")]
                Operation::Convolution(convolution) => {
                    (convolution.describe(), self.gpu.measure(|| convolution.run(&self.gpu))?)
                }
            };
            let entry = kinds.entry(name).or_default();
            *entry = (entry.0 + 1, entry.1 + time_ms);
        }
        let mut kinds: Vec<_> = kinds.into_iter().map(|(name, (count, time_ms))| (name, count, time_ms)).collect();
        kinds.sort_by(|a, b| b.2.total_cmp(&a.2));
        Ok(kinds)
    }
}
