//! The product of a gated feed-forward layer with the gate in the same kernel, on Hopper (`kernels/gated_hopper.cu`).

use super::fp8::Fp8Layer;
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
    /// The same for numbers of eight bits, of which a tile has twice as many inputs.
    pub(super) fp8_name: &'static str,
    /// Columns of the result per tile.
    columns: usize,
    /// Tiles that are on their way at the same time.
    stages: usize,
}

/// Wide tiles for many rows, narrow ones that keep more processors at work.
pub(super) const GATED_PRODUCTS: [GatedProduct; 2] = [
    GatedProduct { name: "gated_product_64", fp8_name: "gated_product_64_fp8", columns: 64, stages: 6 },
    GatedProduct { name: "gated_product_128", fp8_name: "gated_product_128_fp8", columns: 128, stages: 4 },
];

impl GatedProduct {
    /// What a block needs.
    pub(super) const fn shared_bytes(self) -> usize {
        (self.stages * (TILE_ROWS + 2 * self.columns) * TILE_INPUTS + TILE_ROWS * self.columns) * HALF
    }
}

impl Recorder {
    /// A linear layer of values and, behind them, gates: values times GELU of the gates, (rows, half of the outputs).
    pub(super) fn gated_linear(&mut self, layer: Linear, x: &Place, rows: usize) -> Place {
        let y = self.memory(rows * layer.outputs / 2 * HALF);
        let launches = self.gated_products(layer, x.spot(), y.spot(), rows);
        if launches.is_empty() {
            let both = self.linear(layer, x, rows, None);
            self.gate(&both, &y, rows, layer.outputs / 2);
        } else {
            self.fastest(vec![rows, layer.inputs, layer.outputs], launches);
        }
        y
    }

    /// The same from numbers of eight bits.
    pub(super) fn gated_linear_fp8(&mut self, layer: Linear, fp8: Fp8Layer, x: &Place, rows: usize) -> Place {
        let y = self.memory(rows * layer.outputs / 2 * HALF);
        let launches = self.gated_products_fp8(layer, fp8, x.spot(), y.spot(), rows);
        if launches.is_empty() {
            let both = self.linear_fp8(layer, fp8, x, rows);
            self.gate(&both, &y, rows, layer.outputs / 2);
        } else {
            // One more size than without, so that the two are chosen apart.
            self.fastest(vec![rows, layer.inputs, layer.outputs, 8], launches);
        }
        y
    }

    /// Values times GELU of the gates behind them.
    pub(super) fn gate(&mut self, both: &Place, y: &Place, rows: usize, outputs: usize) {
        let arguments = vec![both.into(), y.into(), rows.into(), outputs.into()];
        self.simple("geglu", rows * outputs / OCTET, 1, arguments);
    }

    /// The kernels that compute it: none on other cards, for odd sizes, or without a bias.
    pub(super) fn gated_products(&self, layer: Linear, x: Spot, y: Spot, rows: usize) -> Vec<Launch> {
        let Linear { weight, inputs, outputs, .. } = layer;
        let map =
            |spot, rows, columns, box_rows| TensorMap::matrix(spot, [rows, columns], columns, [box_rows, TILE_INPUTS]);
        let factors = |columns| [map(x, rows, inputs, TILE_ROWS), map(Spot::Fixed(weight), outputs, inputs, columns)];
        self.gated_launches(layer, factors, y, rows, OCTET, |product| (product.name, None))
    }

    /// The same from numbers of eight bits.
    pub(super) fn gated_products_fp8(
        &self,
        layer: Linear,
        fp8: Fp8Layer,
        x: Spot,
        y: Spot,
        rows: usize,
    ) -> Vec<Launch> {
        let Linear { inputs, outputs, .. } = layer;
        let map = |spot, rows, columns, box_rows| {
            TensorMap::matrix(spot, [rows, columns], columns, [box_rows, 2 * TILE_INPUTS]).fp8()
        };
        let weight = Spot::Fixed(fp8.weight);
        let factors = |columns| [map(x, rows, inputs, TILE_ROWS), map(weight, outputs, inputs, columns)];
        self.gated_launches(layer, factors, y, rows, 2 * OCTET, |product| (product.fp8_name, Some(fp8.scales)))
    }

    fn gated_launches(
        &self,
        layer: Linear,
        factors: impl Fn(usize) -> [TensorMap; 2],
        y: Spot,
        rows: usize,
        multiple: usize,
        kernel: impl Fn(GatedProduct) -> (&'static str, Option<u64>),
    ) -> Vec<Launch> {
        let (inputs, outputs) = (layer.inputs, layer.outputs / 2);
        let Some(bias) = layer.bias.filter(|_| self.gpu.kernels().is_hopper() && inputs.is_multiple_of(multiple))
        else {
            return Vec::new();
        };
        let fitting = GATED_PRODUCTS.into_iter().filter(|product| outputs.is_multiple_of(product.columns));
        fitting
            .map(|product| {
                let columns = product.columns;
                let tiles = rows.div_ceil(CLUSTER * TILE_ROWS) * (outputs / columns);
                let [x, weight] = factors(columns);
                let maps = [x, weight, TensorMap::matrix(y, [rows, outputs], outputs, RESULT_BOX)];
                let (kernel, scales) = kernel(product);
                let sizes = [rows, inputs, outputs].map(Argument::from);
                let addresses = [Some(bias), scales].into_iter().flatten().map(Argument::from);
                Launch {
                    kernel,
                    // Processors come in pairs, so that all of them are at work.
                    grid: [CLUSTER * tiles.min(self.gpu.multiprocessors() / CLUSTER), 1, 1],
                    block: [THREADS, 1],
                    shared_bytes: product.shared_bytes(),
                    arguments: maps.map(Argument::from).into_iter().chain(addresses).chain(sizes).collect(),
                }
            })
            .collect()
    }
}
