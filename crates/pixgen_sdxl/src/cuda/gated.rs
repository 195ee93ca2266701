//! The product of a gated feed-forward layer with the gate in the same kernel, on Hopper (`kernels/gated_hopper.cu`).

use candle_core::Result;

use super::layers::{HALF, Linear, OCTET};
use super::program::{Argument, Launch, Place, Recorder, Spot};
use super::tensor_map::TensorMap;

/// Rows of a tile, inputs that are multiplied at once, and the box in which results are stored.
const TILE_ROWS: usize = 128;
const TILE_INPUTS: usize = 64;
const RESULT_BOX: [usize; 2] = [64, 64];
/// Blocks that share the weights they fetch.
const CLUSTER: usize = 2;
/// Two warpgroups multiply, one fetches.
const THREADS: usize = 384;

/// One of the kernels.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatedProduct {
    pub(super) name: &'static str,
    /// Columns of the result per tile.
    columns: usize,
    /// Tiles that are on their way at the same time.
    stages: usize,
}

/// Wide tiles for many rows, narrow ones that keep more processors at work.
pub(super) const GATED_PRODUCTS: [GatedProduct; 2] = [
    GatedProduct { name: "gated_product_64", columns: 64, stages: 6 },
    GatedProduct { name: "gated_product_128", columns: 128, stages: 4 },
];

impl GatedProduct {
    /// What a block needs.
    pub(super) const fn shared_bytes(self) -> usize {
        (self.stages * (TILE_ROWS + 2 * self.columns) * TILE_INPUTS + TILE_ROWS * self.columns) * HALF
    }
}

impl Recorder {
    /// A linear layer of values and, behind them, gates: values times GELU of the gates, (rows, half of the outputs).
    pub(super) fn gated_linear(&mut self, layer: Linear, x: &Place, rows: usize) -> Result<Place> {
        let outputs = layer.outputs / 2;
        let y = self.memory(rows * outputs * HALF);
        let launches = self.gated_products(layer, x.spot(), y.spot(), rows);
        if launches.is_empty() {
            let both = self.linear(layer, x, rows, None);
            let arguments = vec![(&both).into(), (&y).into(), rows.into(), outputs.into()];
            self.simple("geglu", rows * outputs / OCTET, 1, arguments);
        } else {
            self.fastest(vec![rows, layer.inputs, layer.outputs], launches);
        }
        Ok(y)
    }

    /// The kernels that compute it: none on other cards, for odd sizes, or without a bias.
    pub(super) fn gated_products(&self, layer: Linear, x: Spot, y: Spot, rows: usize) -> Vec<Launch> {
        let Linear { weight, bias, inputs, outputs } = layer;
        let outputs = outputs / 2;
        let Some(bias) = bias.filter(|_| self.gpu.kernels().is_hopper() && inputs.is_multiple_of(OCTET)) else {
            return Vec::new();
        };
        let fitting = GATED_PRODUCTS.into_iter().filter(|product| outputs.is_multiple_of(product.columns));
        fitting
            .map(|product| {
                let columns = product.columns;
                let tiles = rows.div_ceil(CLUSTER * TILE_ROWS) * (outputs / columns);
                let maps = [
                    TensorMap::matrix(x, [rows, inputs], inputs, [TILE_ROWS, TILE_INPUTS]),
                    TensorMap::matrix(Spot::Fixed(weight), [2 * outputs, inputs], inputs, [columns, TILE_INPUTS]),
                    TensorMap::matrix(y, [rows, outputs], outputs, RESULT_BOX),
                ];
                let sizes = [rows, inputs, outputs].map(Argument::from);
                let arguments = maps.map(Argument::from).into_iter().chain([bias.into()]).chain(sizes);
                Launch {
                    kernel: product.name,
                    // Processors come in pairs, so that all of them are at work.
                    grid: [CLUSTER * tiles.min(self.gpu.multiprocessors() / CLUSTER), 1, 1],
                    block: [THREADS, 1],
                    shared_bytes: product.shared_bytes(),
                    arguments: arguments.collect(),
                }
            })
            .collect()
    }
}
