//! How much memory there is, and how much a model will take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pixgen_api::{DevicePreference, ModelRef};
use pixgen_sdxl::{FileSummary, GpuNeed, MemoryUse, PartBytes};

use crate::{Weights, embedded};

/// Bytes that drawing one pixel takes besides the weights, but for the kernels for NVIDIA cards: SDXL's autoencoder in f32
/// takes 4 GB at 1024 × 1024 px, and nothing else takes more.
const WORK_BYTES_PER_PX: u64 = 4096;
/// How long the driver's own tool may take to answer.
const DRIVER_PATIENCE: Duration = Duration::from_secs(3);

/// What a request needs against what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Bytes of the weights, in the precision in which they are held; of those that are on a graphics card at once. Where
    /// the model is loaded, only of those that have to come to the card.
    pub weights_bytes: u64,
    /// Bytes that drawing takes besides, about.
    pub work_bytes: u64,
    /// Bytes that are free where the model is to run; `None` where nobody can be asked.
    pub free_bytes: Option<u64>,
}

impl MemoryNeed {
    /// Whether not even the weights have room.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.free_bytes.is_some_and(|free| self.weights_bytes > free)
    }

    /// Whether it may be too little.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.free_bytes.is_some_and(|free| self.weights_bytes.saturating_add(self.work_bytes) > free)
    }
}

/// Where a model will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Cpu,
    Cuda(usize),
    Metal,
}

impl Place {
    pub(crate) fn of(device: DevicePreference) -> Self {
        match device {
            DevicePreference::Cpu => Self::Cpu,
            DevicePreference::Cuda(index) => Self::Cuda(index),
            DevicePreference::Metal(_) => Self::Metal,
            DevicePreference::Auto if cfg!(feature = "cuda") => Self::Cuda(0),
            DevicePreference::Auto if cfg!(feature = "metal") => Self::Metal,
            DevicePreference::Auto => Self::Cpu,
        }
    }

    /// Bytes that one weight takes there.
    fn bytes_per_weight(self) -> u64 {
        match self {
            Self::Cpu => 4,
            Self::Cuda(_) | Self::Metal => 2,
        }
    }

    /// Bytes that are free there.
    pub(crate) fn free_bytes(self) -> Option<u64> {
        match self {
            Self::Cpu | Self::Metal => free_host_bytes(),
            Self::Cuda(index) => free_cuda_bytes(index),
        }
    }

    /// Whether [`Place::free_bytes`] is surely about this place. The driver's tool counts all cards of the computer, while
    /// `CUDA_VISIBLE_DEVICES` gives the program some of them under other numbers.
    pub(crate) fn is_sure(self) -> bool {
        self.is_sure_with(std::env::var_os("CUDA_VISIBLE_DEVICES").is_some())
    }

    fn is_sure_with(self, cards_are_renumbered: bool) -> bool {
        !(matches!(self, Self::Cuda(_)) && cards_are_renumbered)
    }

    /// The place as words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "main memory",
            Self::Cuda(_) => "the graphics card's memory",
            Self::Metal => "memory",
        }
    }
}

/// Edge of SDXL's own images, and images that the UNet sees at once with guidance: what a model is prepared for when it is
/// loaded.
const USUAL: (u32, u32) = (1024, 1);

/// Main memory that is left to others.
const HOST_RESERVE_BYTES: u64 = 1 << 30;

/// What a request for pictures of `image_px` squared, `frames` at once, needs.
pub(crate) fn need(weights: &Weights, image_px: u32, frames: u32, place: Place) -> MemoryNeed {
    need_with(parts_of(weights, place), image_px, frames, place, place.free_bytes())
}

/// The same for a model that is loaded, with those of its parts away that `memory` sends to main memory.
pub(crate) fn need_of_loaded(
    weights: &Weights,
    memory: MemoryUse,
    image_px: u32,
    frames: u32,
    place: Place,
) -> MemoryNeed {
    need_of_loaded_with(parts_of(weights, place), memory, image_px, frames, place, place.free_bytes())
}

fn need_of_loaded_with(
    parts: PartBytes,
    memory: MemoryUse,
    image_px: u32,
    frames: u32,
    place: Place,
    free_bytes: Option<u64>,
) -> MemoryNeed {
    let PartBytes { text, unet, vae } = parts;
    if !matches!(place, Place::Cuda(_)) {
        let work_bytes = need_with(parts, image_px, frames, place, free_bytes).work_bytes;
        return MemoryNeed { weights_bytes: 0, work_bytes, free_bytes };
    }
    let GpuNeed { weights_bytes, work_bytes } = gpu_need(memory, parts, image_px, frames);
    // A job that was cancelled may have left more there: too little room is only warned of.
    let there = match memory {
        MemoryUse::Fast => text.saturating_add(unet).saturating_add(vae),
        MemoryUse::Balanced => unet.saturating_add(vae),
        MemoryUse::Low => vae,
    };
    MemoryNeed { weights_bytes: weights_bytes.saturating_sub(there), work_bytes, free_bytes }
}

fn need_with(parts: PartBytes, image_px: u32, frames: u32, place: Place, free_bytes: Option<u64>) -> MemoryNeed {
    if let Place::Cuda(_) = place {
        let memory = memory_use_with(parts, free_bytes);
        let GpuNeed { weights_bytes, work_bytes } = gpu_need(memory, parts, image_px, frames);
        return MemoryNeed { weights_bytes, work_bytes, free_bytes };
    }
    let pixels = u64::from(image_px).saturating_pow(2).saturating_mul(u64::from(frames));
    MemoryNeed {
        weights_bytes: parts.text + parts.unet + parts.vae,
        work_bytes: pixels.saturating_mul(WORK_BYTES_PER_PX),
        free_bytes,
    }
}

/// How much of a card's memory a model may take: one part at a time where all of them have no room.
///
/// The parts that wait take main memory, which must not run out: the system would end the whole game.
/// `free_bytes` is what [`need`] found: asking the driver takes a process.
pub(crate) fn memory_use(weights: &Weights, place: Place, free_bytes: Option<u64>, fp8_linear: bool) -> MemoryUse {
    let parts = parts_of(weights, place);
    // The copies never wait in main memory.
    let on_card = if fp8_linear { parts.with_fp8_copies() } else { parts };
    match memory_use_with(on_card, free_bytes) {
        MemoryUse::Low if free_host_bytes().is_some_and(|free| free < parts.text + parts.unet + HOST_RESERVE_BYTES) => {
            MemoryUse::Balanced
        }
        memory => memory,
    }
}

fn memory_use_with(parts: PartBytes, free_bytes: Option<u64>) -> MemoryUse {
    let (image_px, frames) = USUAL;
    let need = gpu_need(MemoryUse::Balanced, parts, image_px, frames).peak_bytes();
    if free_bytes.is_some_and(|free| need > free) { MemoryUse::Low } else { MemoryUse::Balanced }
}

/// With guidance, which doubles the images that the UNet sees.
fn gpu_need(memory: MemoryUse, parts: PartBytes, image_px: u32, frames: u32) -> GpuNeed {
    GpuNeed::of(memory, parts, [image_px as usize; 2], (frames as usize).saturating_mul(2))
}

/// Bytes of a model's parts; files that cannot be read count nothing here, loading says what is wrong with them.
fn parts_of(weights: &Weights, place: Place) -> PartBytes {
    let bytes = |numbers: u64| numbers.saturating_mul(place.bytes_per_weight());
    let whole = |file: &Path| {
        // A pipe would keep its reader waiting.
        let summary = file.is_file().then(|| FileSummary::read(file).ok()).flatten();
        summary.map_or_else(PartBytes::default, |summary| PartBytes {
            text: bytes(summary.text_numbers),
            vae: bytes(summary.vae_numbers),
            unet: bytes(summary.numbers.saturating_sub(summary.text_numbers + summary.vae_numbers)),
        })
    };
    match &weights.model {
        // Stored in half precision; it is small.
        ModelRef::Embedded => {
            let files = embedded::FILES.iter().filter(|(name, _)| name.ends_with(".safetensors"));
            PartBytes { unet: bytes(files.map(|(_, file)| file.len() as u64 / 2).sum()), ..PartBytes::default() }
        }
        ModelRef::File(file) => whole(file),
        // A path that is a file is loaded as one.
        ModelRef::Folder(file) if file.is_file() => whole(file),
        ModelRef::Folder(folder) => {
            let part = |name: &str| bytes(part_of(&folder.join(name)));
            PartBytes {
                text: part("text_encoder").saturating_add(part("text_encoder_2")),
                unet: part("unet"),
                vae: part("vae"),
            }
        }
    }
}

/// One part of a diffusers folder, which may hold the same weights in two precisions.
fn part_of(folder: &Path) -> u64 {
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    let half = |path: &PathBuf| path.to_string_lossy().contains(".fp16");
    let sum = |wanted: bool| files.iter().filter(|path| half(path) == wanted).map(|path| numbers_in(path)).sum::<u64>();
    sum(false).max(sum(true))
}

/// Numbers of all tensors of a file.
fn numbers_in(file: &Path) -> u64 {
    // A pipe would keep its reader waiting.
    if !file.is_file() {
        return 0;
    }
    FileSummary::read(file).map_or(0, |summary| summary.numbers)
}

/// Bytes of main memory that a program can still get: what the system has available, and no more than the container's
/// limit leaves. `None` where the system cannot be asked (other systems than Linux).
#[must_use]
pub fn free_host_bytes() -> Option<u64> {
    let available = meminfo(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(available.min(cgroup_free_bytes().unwrap_or(u64::MAX)))
}

/// Bytes of main memory that this program occupies; `None` where the system cannot be asked.
#[must_use]
pub fn process_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes_of(&status, "VmRSS:")
}

fn meminfo(text: &str) -> Option<u64> {
    kibibytes_of(text, "MemAvailable:")
}

fn kibibytes_of(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.saturating_mul(1024))
}

/// What the limit of this program's control group (version 2) leaves.
fn cgroup_free_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Inside a container the group often sees itself as the root.
    let folders = [Path::new("/sys/fs/cgroup").join(own), PathBuf::from("/sys/fs/cgroup")];
    folders.iter().filter_map(|folder| group_free(folder)).min()
}

fn group_free(folder: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max")?;
    // The page cache counts as used and is given back when somebody needs it.
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    Some(limit.saturating_sub(number("memory.current")?.saturating_sub(cache.unwrap_or_default())))
}

/// Asks the driver's own tool: it needs no build with CUDA and starts no context on the card.
fn free_cuda_bytes(index: usize) -> Option<u64> {
    let mut child = Command::new("nvidia-smi")
        .args(["--query-gpu=memory.free", "--format=csv,noheader,nounits", "-i", &index.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let since = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if since.elapsed() > DRIVER_PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().ok()?;
    mebibytes(&String::from_utf8_lossy(&output.stdout))
}

fn mebibytes(text: &str) -> Option<u64> {
    Some(text.trim().parse::<u64>().ok()?.saturating_mul(1 << 20))
}

/// Bytes for people.
pub(crate) fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_read() {
        let text = "MemTotal:       16000000 kB\nMemFree:         1000 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(meminfo(text), Some(2 << 20));
        assert_eq!(mebibytes(" 40000\n"), Some(40_000 << 20));
        assert_eq!(mebibytes("[N/A]"), None);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        write("memory.stat", "anon 5\ninactive_file 200\n");
        assert_eq!(group_free(folder.path()), Some(500));
        write("memory.max", "max\n");
        assert_eq!(group_free(folder.path()), None);
        if cfg!(target_os = "linux") {
            assert!(free_host_bytes().is_some_and(|bytes| bytes > 1 << 20) && process_bytes().is_some());
        }
    }

    #[test]
    fn an_absurd_picture_needs_absurdly_much_and_does_not_overflow() {
        let need = need(&Weights::default(), u32::MAX, u32::MAX, Place::Cpu);
        assert_eq!(need.work_bytes, u64::MAX);
    }

    #[test]
    fn a_card_that_is_too_small_for_all_parts_gets_them_one_by_one() {
        // SDXL in half precision.
        let parts = PartBytes { text: 1_640_000_000, unet: 5_135_000_000, vae: 167_000_000 };
        let need = |free| need_with(parts, 1024, 1, Place::Cuda(0), Some(free));
        assert_eq!(memory_use_with(parts, Some(8_000_000_000)), MemoryUse::Balanced);
        assert_eq!(memory_use_with(parts, Some(7_000_000_000)), MemoryUse::Low);
        assert_eq!(memory_use_with(parts, None), MemoryUse::Balanced);
        assert!(!need(8_000_000_000).is_tight());
        assert!(!need(6_000_000_000).is_tight() && !need(6_000_000_000).is_refused());
        assert!(need(5_500_000_000).is_tight() && !need(5_500_000_000).is_refused());
        assert!(need(5_000_000_000).is_refused());
        // On the CPU everything stays.
        let on_cpu = need_with(parts, 1024, 1, Place::Cpu, None);
        assert_eq!(on_cpu.weights_bytes, parts.text + parts.unet + parts.vae);
    }

    #[test]
    fn parts_of_a_loaded_model_that_are_away_have_to_come_back() {
        let parts = PartBytes { text: 1_640_000_000, unet: 5_135_000_000, vae: 167_000_000 };
        let weights =
            |memory, image_px, place| need_of_loaded_with(parts, memory, image_px, 1, place, None).weights_bytes;
        let card = Place::Cuda(0);
        assert_eq!(weights(MemoryUse::Fast, 1024, card), 0);
        // The prompt is what takes the most, until pictures become so large that decoding does.
        assert_eq!(weights(MemoryUse::Balanced, 1024, card), parts.text);
        assert_eq!(weights(MemoryUse::Balanced, 2048, card), 0);
        assert_eq!(weights(MemoryUse::Low, 1024, card), parts.unet);
        for memory in [MemoryUse::Fast, MemoryUse::Balanced, MemoryUse::Low] {
            assert_eq!(weights(memory, 1024, Place::Cpu), 0, "in main memory all of them stay");
        }
        // A game that has taken the room of the parts that are away is told.
        let low = |free| need_of_loaded_with(parts, MemoryUse::Low, 1024, 1, card, Some(free));
        assert!(low(5_700_000_000).is_tight() && !low(6_500_000_000).is_tight());
    }

    #[test]
    fn too_little_memory_is_refused_and_a_tight_one_is_known() {
        let need = |free_bytes| MemoryNeed { weights_bytes: 10, work_bytes: 5, free_bytes };
        assert!(need(Some(9)).is_refused() && need(Some(9)).is_tight());
        assert!(!need(Some(12)).is_refused() && need(Some(12)).is_tight());
        assert!(!need(Some(15)).is_tight() && !need(None).is_tight());
        assert!(Place::Cuda(0).is_sure_with(false) && !Place::Cuda(0).is_sure_with(true));
        assert!(Place::Cpu.is_sure_with(true));
    }
}
