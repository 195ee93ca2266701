//! What a load has read, and what it left alone.

/// The model that a load found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Architecture {
    /// SDXL base and everything that was trained from it: SDXL Turbo, Pony, Illustrious … Weights do not tell them
    /// apart.
    SdxlBase,
    /// Segmind's SSD-1B, half of SDXL's transformer blocks.
    Ssd1b,
    /// Segmind's Vega, smaller still.
    SegmindVega,
    /// An SDXL of other sizes.
    #[default]
    Other,
}

/// What a load has read. Tensors that a layer needs and that are missing are an error, [`crate::Error::MissingTensors`].
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// What the sizes of the network say that the model is.
    pub architecture: Architecture,
    /// Weights that went into layers.
    pub loaded: usize,
    /// Tensors that no layer asked for, as `file: name` or `component: name`, sorted: a sign that the model does more
    /// than this crate knows of.
    pub unused: Vec<String>,
    /// Tensors that no layer asked for and that are known to do no harm: counters, copies of training, position ids.
    pub harmless: usize,
    /// What the model should have known and did not say, and what was assumed instead.
    pub notes: Vec<String>,
}

impl LoadReport {
    /// Writes what the user should know to the log.
    pub(crate) fn log(&self) {
        const NAMED: usize = 10;
        if !self.unused.is_empty() {
            let names = self.unused.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            tracing::warn!(count = self.unused.len(), "the model has tensors that are not used: {names}");
        }
        for note in &self.notes {
            tracing::info!("{note}");
        }
    }
}

/// Tensors of checkpoints that have no part in drawing.
pub(crate) fn is_harmless(name: &str) -> bool {
    const ENDS: [&str; 3] = ["position_ids", "logit_scale", "attn_mask"];
    const BEGINNINGS: [&str; 6] = [
        // A moving average of the weights, kept for further training.
        "model_ema.",
        "first_stage_model.loss.",
        // The denoiser's noise levels, which the scheduler computes.
        "denoiser.",
        "posterior_",
        "sqrt_",
        "log_one_minus_",
    ];
    const NAMES: [&str; 10] = [
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "betas",
        "lvlb_weights",
        "logvar",
        "scale_factor",
        "v_pred",
        "ztsnr",
        // SDXL pools with its second encoder only.
        "conditioner.embedders.0.transformer.text_projection.weight",
        "conditioner.embedders.0.transformer.text_model.text_projection.weight",
    ];
    ENDS.iter().any(|end| name.ends_with(end))
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || NAMES.contains(&name)
}
