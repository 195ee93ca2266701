//! The denoising network of SDXL (`UNet2DConditionModel` with `text_time` conditioning).

mod attention;
mod blocks;
mod embedding;
mod pass;
mod plan;
mod resnet;

pub use pass::FrameAttention;
pub(crate) use pass::Surroundings;
pub(crate) use resnet::{ResnetBlock, ResnetSizes};

use candle_core::{DType, Device, Tensor};

use self::attention::TextKeys;
use self::blocks::{DownBlock, MidBlock, UpBlock, UpChannels};
use self::embedding::{EmbeddingMlp, Sinusoid};
use self::pass::Pass;
use self::plan::Plan;
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::{PerBlock, UnetConfig};
use crate::nn::{Conv2d, GroupNorm};
use crate::params::Params;
use crate::weights::{Scope, Weights};

const FILE: &str = "unet/config.json";
/// The numbers that say how large the training image was: (height, width) three times.
pub(crate) const TIME_IDS: usize = 6;

/// The denoising network.
#[derive(Debug)]
pub(crate) struct Unet {
    config: UnetConfig,
    time_sinusoid: Sinusoid,
    time_embedding: EmbeddingMlp,
    add_sinusoid: Sinusoid,
    add_embedding: EmbeddingMlp,
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    params: Params,
    #[cfg(feature = "cuda")]
    programs: crate::cuda::UnetPrograms,
    dtype: DType,
    device: Device,
}

/// What the network is told besides the noisy latent and the time; the same in every step of a run.
#[derive(Clone, Debug)]
pub(crate) struct Conditioning {
    /// Keys and values of the text for each attention layer, in the order of the forward pass.
    text_keys: Vec<TextKeys>,
    /// (b, time embedding channels)
    added: Tensor,
    /// Another number for other values: what was prepared on the card is prepared again.
    #[cfg(feature = "cuda")]
    number: u64,
}

impl Conditioning {
    /// The conditioning of `images` images for each of its rows, one row's images after another.
    pub(crate) fn repeat(&self, images: usize) -> candle_core::Result<Self> {
        Ok(Self {
            text_keys: self.text_keys.iter().map(|keys| keys.repeat(images)).collect::<candle_core::Result<_>>()?,
            added: repeat_rows(&self.added, images)?,
            #[cfg(feature = "cuda")]
            number: next_number(),
        })
    }
}

/// A number that no other conditioning has.
#[cfg(feature = "cuda")]
fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// (b, …) → (b · times, …), each row's copies next to each other.
fn repeat_rows(x: &Tensor, times: usize) -> candle_core::Result<Tensor> {
    if times == 1 {
        return Ok(x.clone());
    }
    let rows: Vec<u32> = (0..x.dim(0)? as u32).flat_map(|row| std::iter::repeat_n(row, times)).collect();
    x.index_select(&Tensor::new(rows, x.device())?, 0)
}

impl Unet {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> Result<Self, Error> {
        let config: UnetConfig = source.json(FILE)?;
        let plan = Plan::new(&config).map_err(|reason| Error::Config { file: source.display(FILE), reason })?;
        let weights = Weights::open(source, "unet", "diffusion_pytorch_model", device, dtype)?;
        let mut unet = Self::build(&weights.root(), config, plan, device, dtype)?;
        unet.params = weights.finish()?;
        Ok(unet)
    }

    fn build(root: &Scope<'_>, config: UnetConfig, plan: Plan, device: &Device, dtype: DType) -> Result<Self, Error> {
        #[cfg(feature = "cuda")]
        let programs = crate::cuda::UnetPrograms::new(fused_sizes(&config, &plan));
        let Plan { levels, mid, common, add_time_dim, added_inputs } = plan;
        let widths = &config.block_out_channels;
        let last = levels.len() - 1;
        let mut down_blocks = Vec::new();
        for (i, level) in levels.iter().enumerate() {
            let scope = root.pp("down_blocks").pp(i);
            let channels = (widths[i.saturating_sub(1)], widths[i]);
            down_blocks.push(DownBlock::load(&scope, &common, channels, level.layers, &level.down, i != last)?);
        }
        let mid_block = MidBlock::load(&root.pp("mid_block"), &common, widths[last], mid)?;
        let mut up_blocks = Vec::new();
        for (i, level) in levels.iter().rev().enumerate() {
            let scope = root.pp("up_blocks").pp(i);
            let at = last - i;
            let channels = UpChannels {
                below: widths[(at + 1).min(last)],
                outputs: widths[at],
                above: widths[at.saturating_sub(1)],
            };
            up_blocks.push(UpBlock::load(&scope, &common, channels, level.layers + 1, &level.up, at != 0)?);
        }
        let sinusoid = |dim| Sinusoid::new(dim, config.flip_sin_to_cos, config.freq_shift);
        Ok(Self {
            time_sinusoid: sinusoid(widths[0]),
            time_embedding: EmbeddingMlp::load(&root.pp("time_embedding"), widths[0], common.time_embedding)?,
            add_sinusoid: sinusoid(add_time_dim),
            add_embedding: EmbeddingMlp::load(&root.pp("add_embedding"), added_inputs, common.time_embedding)?,
            conv_in: Conv2d::load(&root.pp("conv_in"), config.in_channels, widths[0], 3)?,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::load(&root.pp("conv_norm_out"), widths[0], common.groups, common.eps)?,
            conv_out: Conv2d::load(&root.pp("conv_out"), widths[0], config.out_channels, 3)?,
            params: Params::default(),
            #[cfg(feature = "cuda")]
            programs,
            config,
            dtype,
            device: device.clone(),
        })
    }

    /// The weights by name.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// Latent cells per cell of the deepest level, along each axis.
    pub(crate) fn factor(&self) -> usize {
        1 << (self.config.block_out_channels.len() - 1)
    }

    /// The precision that it computes in.
    #[cfg(feature = "cuda")]
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Latent channels.
    pub(crate) fn channels(&self) -> usize {
        self.config.in_channels
    }

    /// Channels of the text tokens.
    pub(crate) fn context_channels(&self) -> Option<usize> {
        match &self.config.cross_attention_dim {
            PerBlock::One(channels) => Some(*channels),
            PerBlock::Each(channels) => channels.first().copied(),
        }
    }

    /// Channels of the pooled text.
    pub(crate) fn pooled_channels(&self) -> Option<usize> {
        let sizes = TIME_IDS * self.config.addition_time_embed_dim?;
        self.config.projection_class_embeddings_input_dim?.checked_sub(sizes)
    }

    /// Edge of the latents that the network was trained on (the longer one).
    pub(crate) fn sample_size(&self) -> Option<usize> {
        match self.config.sample_size.as_ref()? {
            PerBlock::One(size) => Some(*size),
            PerBlock::Each(sizes) => sizes.iter().copied().max(),
        }
    }

    /// Computes everything that does not change from step to step.
    ///
    /// `context` (b, tokens, context channels), `pooled` (b, pooled channels), `time_ids` one row per image: original
    /// height and width, crop top and left, target height and width, in pixels.
    pub(crate) fn condition(
        &self,
        context: &Tensor,
        pooled: &Tensor,
        time_ids: &[[f32; TIME_IDS]],
    ) -> candle_core::Result<Conditioning> {
        let context = context.to_device(&self.device)?.to_dtype(self.dtype)?;
        let mut text_keys = Vec::new();
        for block in &self.down_blocks {
            block.text_keys(&context, &mut text_keys)?;
        }
        self.mid_block.text_keys(&context, &mut text_keys)?;
        for block in &self.up_blocks {
            block.text_keys(&context, &mut text_keys)?;
        }
        // (b · 6, dim) → (b, 6 · dim)
        let sizes = self.add_sinusoid.embed(time_ids.as_flattened(), &self.device, self.dtype)?;
        let sizes = sizes.reshape((time_ids.len(), ()))?;
        let added = self
            .add_embedding
            .forward(&Tensor::cat(&[pooled.to_device(&self.device)?.to_dtype(self.dtype)?, sizes], 1)?)?;
        Ok(Conditioning {
            text_keys,
            added,
            #[cfg(feature = "cuda")]
            number: next_number(),
        })
    }

    /// Predicts from a noisy `sample` (b, latent channels, h, w) at `timestep` (0 to 999): same shape, f32.
    pub(crate) fn forward(
        &self,
        sample: &Tensor,
        timestep: f32,
        conditioning: &Conditioning,
        surroundings: Surroundings,
    ) -> candle_core::Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(output) = self.forward_fused(sample, timestep, conditioning, surroundings)? {
            return Ok(output);
        }
        let Conditioning { text_keys, added, .. } = conditioning;
        let time = self.time_sinusoid.embed(&[timestep], &self.device, self.dtype)?;
        // (1, channels) + (b, channels); every residual block applies SiLU to the sum first, so it is done once here.
        let silu_temb = self.time_embedding.forward(&time)?.broadcast_add(added)?.silu()?;
        let seamless = surroundings.seamless;
        let pass = Pass { silu_temb, surroundings };
        let mut keys = text_keys.iter();

        let mut x = self.conv_in.forward(&sample.to_device(&self.device)?.to_dtype(self.dtype)?, seamless)?;
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            x = block.forward(&x, &pass, &mut keys, &mut skips)?;
        }
        x = self.mid_block.forward(&x, &pass, &mut keys)?;
        for block in &self.up_blocks {
            x = block.forward(&x, &pass, &mut keys, &mut skips)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?, seamless)?.to_dtype(DType::F32)
    }

    /// The same by the fused kernels of [`crate::cuda`], where they serve.
    #[cfg(feature = "cuda")]
    fn forward_fused(
        &self,
        sample: &Tensor,
        timestep: f32,
        conditioning: &Conditioning,
        surroundings: Surroundings,
    ) -> candle_core::Result<Option<Tensor>> {
        if !crate::cuda::serves(&self.device, self.dtype) {
            return Ok(None);
        }
        let images = sample.dim(0)?;
        // One conditioning may stand for all images.
        let repeated;
        let conditioning = match conditioning.added.dim(0)? {
            rows if rows == images => conditioning,
            rows if images.is_multiple_of(rows) => {
                repeated = conditioning.repeat(images / rows)?;
                &repeated
            }
            _ => return Ok(None),
        };
        let text_tokens = conditioning.text_keys.first().map_or(Ok(0), |text| text.keys.dim(1))?;
        let tensors: Vec<_> = std::iter::once(&conditioning.added)
            .chain(conditioning.text_keys.iter().flat_map(|text| [&text.keys, &text.values]))
            .collect();
        let step = crate::cuda::Step {
            sample: &sample.to_device(&self.device)?.to_dtype(DType::F32)?,
            timestep,
            conditioning: (conditioning.number, &tensors),
            text_tokens,
            surroundings,
        };
        self.programs.step(&self.params, &self.device, self.dtype, step)
    }

    /// The programs of the fused kernels.
    #[cfg(feature = "cuda")]
    pub(crate) fn programs(&self) -> &crate::cuda::UnetPrograms {
        &self.programs
    }
}

/// What the fused kernels have to know of the configuration.
#[cfg(feature = "cuda")]
fn fused_sizes(config: &UnetConfig, plan: &Plan) -> crate::cuda::UnetSizes {
    let pairs = |sizes: &[blocks::AttentionSizes]| sizes.iter().map(|size| (size.heads, size.layers)).collect();
    crate::cuda::UnetSizes {
        latent_channels: config.in_channels,
        widths: config.block_out_channels.clone(),
        levels: plan
            .levels
            .iter()
            .map(|level| crate::cuda::LevelSizes {
                layers: level.layers,
                down: pairs(&level.down),
                up: pairs(&level.up),
            })
            .collect(),
        mid: plan.mid.map(|mid| (mid.heads, mid.layers)),
        groups: plan.common.groups,
        eps: plan.common.eps,
        time_embedding: plan.common.time_embedding,
        flip_sin_to_cos: config.flip_sin_to_cos,
        freq_shift: config.freq_shift,
    }
}
