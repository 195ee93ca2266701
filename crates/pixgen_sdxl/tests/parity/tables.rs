//! Reading the tables of names and shapes that `make_checkpoint_fixtures.py` wrote, for the tests in this folder and,
//! through `src/test_support.rs`, for those inside the crate.

#![allow(clippy::unwrap_used, unreachable_pub)]
#![allow(dead_code, reason = "each group of tests takes what it needs")]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

/// One tensor of the diffusers layout and where a single file has it.
pub struct Row {
    pub component: String,
    pub name: String,
    pub shape: Vec<usize>,
    pub stored: String,
    pub stored_shape: Vec<usize>,
    /// `-`, `0/3` … `2/3` or `T`.
    pub part: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/checkpoints")
}

/// The tensors of `sdxl`, `ssd_1b`, `vega` or `tiny`.
pub fn table(model: &str) -> Vec<Row> {
    let mut text = String::new();
    let file = File::open(fixtures().join(format!("{model}_tensors.tsv.gz"))).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let shape = |text: &str| text.split(',').map(|size| size.parse().unwrap()).collect();
    text.lines()
        .map(|line| {
            let [component, name, sizes, stored, stored_sizes, part] =
                line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
            let (shape, stored_shape) = (shape(&sizes), shape(&stored_sizes));
            Row { component, name, shape, stored, stored_shape, part }
        })
        .collect()
}

/// Its configurations by component, from diffusers.
pub fn configs(model: &str) -> Map<String, Value> {
    let all: Value = serde_json::from_slice(&fs::read(fixtures().join("configs.json")).unwrap()).unwrap();
    all[model].as_object().unwrap().clone()
}
