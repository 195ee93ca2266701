//! The small model that is compiled into the program.

#[cfg(feature = "embedded_model")]
macro_rules! model_files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../models/sprite-tiny/", $path)).as_slice())),*]
    };
}

/// Path in the model folder and content of every file of the embedded model; empty without the feature.
#[cfg(feature = "embedded_model")]
pub(crate) const FILES: &[(&str, &[u8])] = model_files![
    "model_index.json",
    "scheduler/scheduler_config.json",
    "sprite_model.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "vae/latent_preview.json",
];

/// Path in the model folder and content of every file of the embedded model; empty without the feature.
#[cfg(not(feature = "embedded_model"))]
pub(crate) const FILES: &[(&str, &[u8])] = &[];

/// One file of the embedded model.
pub(crate) fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}
