//! TAESD, a decoder small enough for a preview at full size (`AutoencoderTiny`; TAESDXL by Ollin Boer Bohan).

use candle_core::{DType, Device, Result, Tensor};
use serde::Deserialize;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::{require, require_size};
use crate::nn::{Conv2d, Seamless};
use crate::weights::{Scope, Weights};

/// Folders beside the model's own that may hold it.
const FOLDERS: [&str; 2] = ["taesdxl", "taesd"];
/// The name of the original's file, in one of the folders or beside them.
const ORIGINAL_STEM: &str = "taesdxl_decoder";
/// Latents beyond three times this are taken for a slip.
const CLAMP: f64 = 3.0;

/// `config.json` of an `AutoencoderTiny`; what it leaves out is TAESDXL's.
#[derive(Deserialize)]
#[serde(default)]
struct TaesdConfig {
    out_channels: usize,
    latent_channels: usize,
    decoder_block_out_channels: Vec<usize>,
    num_decoder_blocks: Vec<usize>,
    act_fn: String,
    upsample_fn: String,
    upsampling_scaling_factor: usize,
}

impl Default for TaesdConfig {
    fn default() -> Self {
        Self {
            out_channels: 3,
            latent_channels: 4,
            decoder_block_out_channels: vec![64; 4],
            num_decoder_blocks: vec![3, 3, 3, 1],
            act_fn: "relu".to_owned(),
            upsample_fn: "nearest".to_owned(),
            upsampling_scaling_factor: 2,
        }
    }
}

impl TaesdConfig {
    fn check(&self, latent_channels: usize) -> std::result::Result<(), String> {
        let widths = &self.decoder_block_out_channels;
        require(!widths.is_empty() && widths.len() == self.num_decoder_blocks.len(), || {
            format!(
                "decoder_block_out_channels has {} and num_decoder_blocks {} entries, expected the same number",
                widths.len(),
                self.num_decoder_blocks.len()
            )
        })?;
        require_size("the number of entries of decoder_block_out_channels", widths.len(), 1..=8)?;
        widths.iter().try_for_each(|width| require_size("decoder_block_out_channels", *width, 1..=4096))?;
        self.num_decoder_blocks.iter().try_for_each(|count| require_size("num_decoder_blocks", *count, 0..=64))?;
        require(widths.iter().all(|width| *width == widths[0]), || {
            format!("decoder_block_out_channels is {widths:?}, expected the same number for all levels")
        })?;
        require(matches!(self.out_channels, 3 | 4), || {
            format!("out_channels is {}, expected 3 (RGB) or 4 (RGBA)", self.out_channels)
        })?;
        require(self.latent_channels == latent_channels, || {
            format!(
                "latent_channels is {}, expected {latent_channels} as the model's vae has: it is for another model",
                self.latent_channels
            )
        })?;
        for (field, found, expected) in
            [("act_fn", &self.act_fn, "relu"), ("upsample_fn", &self.upsample_fn, "nearest")]
        {
            require(found == expected, || format!("{field} is {found}, expected {expected}"))?;
        }
        require(self.upsampling_scaling_factor == 2, || {
            format!("upsampling_scaling_factor is {}, expected 2", self.upsampling_scaling_factor)
        })
    }
}

/// The decoder.
#[derive(Debug)]
pub(super) struct Taesd {
    conv_in: Conv2d,
    levels: Vec<Level>,
    device: Device,
    dtype: DType,
}

/// Blocks at one size, and the convolution to the next size or to the image.
#[derive(Debug)]
struct Level {
    blocks: Vec<Block>,
    conv: Conv2d,
    doubles: bool,
}

/// Three convolutions with a skip connection.
#[derive(Debug)]
struct Block {
    convs: [Conv2d; 3],
}

impl Taesd {
    /// The decoder beside the model, if there is one.
    pub(super) fn load(
        source: &Checkpoint,
        latent_channels: usize,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Option<Self>, Error> {
        for folder in FOLDERS {
            let file = format!("{folder}/config.json");
            if let Some(config) = source.json_optional::<TaesdConfig>(&file)? {
                config
                    .check(latent_channels)
                    .map_err(|reason| Error::Config { file: source.display(&file), reason })?;
                let weights = Weights::open(source, folder, "diffusion_pytorch_model", device, dtype)?;
                return Self::build(weights, "decoder.layers", 0, &config, device, dtype).map(Some);
            }
        }
        // The original counts the clamp before everything else as a layer.
        for folder in FOLDERS.into_iter().chain(["."]) {
            if source.contains(&format!("{folder}/{ORIGINAL_STEM}.safetensors")) {
                let config = TaesdConfig::default();
                let file = format!("{folder}/{ORIGINAL_STEM}.safetensors");
                config
                    .check(latent_channels)
                    .map_err(|reason| Error::Config { file: source.display(&file), reason })?;
                let weights = Weights::open(source, folder, ORIGINAL_STEM, device, dtype)?;
                return Self::build(weights, "", 1, &config, device, dtype).map(Some);
            }
        }
        Ok(None)
    }

    /// `prefix` stands before the number of each layer, and the first one has the number `first`.
    fn build(
        weights: Weights,
        prefix: &str,
        first: usize,
        config: &TaesdConfig,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Self, Error> {
        let root = if prefix.is_empty() { weights.root() } else { weights.root().pp(prefix) };
        let width = config.decoder_block_out_channels[0];
        let conv_in = Conv2d::load(&root.pp(first), config.latent_channels, width, 3)?;
        // Activations and enlargements have numbers too.
        let mut next = first + 2;
        let last = config.num_decoder_blocks.len() - 1;
        let mut levels = Vec::with_capacity(last + 1);
        for (level, count) in config.num_decoder_blocks.iter().enumerate() {
            let blocks = (next..next + count)
                .map(|number| Block::load(&root.pp(number), width))
                .collect::<std::result::Result<_, _>>()?;
            let doubles = level != last;
            next += count + usize::from(doubles);
            let conv = if doubles {
                Conv2d::load_without_bias(&root.pp(next), width, width, 3)?
            } else {
                Conv2d::load(&root.pp(next), width, config.out_channels, 3)?
            };
            next += 1;
            levels.push(Level { blocks, conv, doubles });
        }
        // A file may hold both halves.
        weights.root().pp("encoder").is_not_needed();
        weights.finish()?;
        Ok(Self { conv_in, levels, device: device.clone(), dtype })
    }

    /// Latents (n, c, h, w) as the UNet sees them → images (n, channels, h · 2^(levels - 1), …) in f32, [-1, 1].
    pub(super) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let latents = latents.to_device(&self.device)?.to_dtype(self.dtype)?;
        let latents = ((latents / CLAMP)?.tanh()? * CLAMP)?;
        let mut x = self.conv_in.forward(&latents, Seamless::OFF)?.relu()?;
        for Level { blocks, conv, doubles } in &self.levels {
            for block in blocks {
                x = block.forward(&x)?;
            }
            let (_, _, height, width) = x.dims4()?;
            x = if *doubles {
                conv.forward_enlarged(&x, 2 * height, 2 * width, Seamless::OFF)?
            } else {
                conv.forward(&x, Seamless::OFF)?
            };
        }
        // From [0, 1].
        x.to_dtype(DType::F32)?.affine(2.0, -1.0)?.clamp(-1f32, 1f32)
    }
}

impl Block {
    fn load(scope: &Scope<'_>, width: usize) -> std::result::Result<Self, Error> {
        let conv = |name: &str| Conv2d::load(&scope.pp(name), width, width, 3);
        Ok(Self { convs: [conv("conv.0")?, conv("conv.2")?, conv("conv.4")?] })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.convs;
        let h = first.forward(x, Seamless::OFF)?.relu()?;
        let h = second.forward(&h, Seamless::OFF)?.relu()?;
        (third.forward(&h, Seamless::OFF)? + x)?.relu()
    }
}
