//! What a file is, told by its first bytes and by the names of its tensors: a sentence for everything that is no SDXL.

use super::tensor_file::TensorFile;
use crate::Error;

/// How much of a file tells its format.
pub(super) const HEAD_BYTES: usize = 64;

/// Refuses files that are no safetensors at all.
pub(super) fn refuse_other_formats(head: &[u8], file: &str) -> Result<(), Error> {
    let text: String = String::from_utf8_lossy(head).trim_start().to_lowercase();
    let again = "download the file itself";
    let convert = "choose the .safetensors of the same model, or convert it (a pickle can run any program when opened)";
    let (found, advice) = if head.starts_with(b"GGUF") {
        ("a GGUF file", "quantised models are not read: choose the model as .safetensors")
    } else if head.starts_with(b"PK\x03\x04") {
        ("a PyTorch checkpoint (.ckpt, .pt, .bin) or another ZIP archive", convert)
    } else if matches!(head, [0x80, 2..=5, ..]) {
        ("a Python pickle (an old .ckpt or .pt)", convert)
    } else if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") {
        ("a web page: the download was answered by a login or an error", again)
    } else if text.starts_with("version https://git-lfs") {
        ("a git-lfs pointer instead of the file it points to", "run `git lfs pull`, or download the file itself")
    } else if text.starts_with("{\"") || text == "{}" {
        ("a JSON text", again)
    } else if head.starts_with(b"\x1f\x8b") || head.starts_with(b"7z\xbc\xaf") || head.starts_with(b"Rar!") {
        ("a compressed archive", "unpack it first")
    } else {
        return Ok(());
    };
    Err(Error::ForeignFile { file: file.to_owned(), found: found.to_owned(), advice: advice.to_owned() })
}

/// Tensor names that give a model away. The first match counts: later entries are less special.
const SIGNATURES: &[(&str, &str)] = &[
    (".lora_down.", LORA),
    (".lora_up.", LORA),
    (".lora_A.", LORA),
    (".lora_B.", LORA),
    (".lora.down.", LORA),
    ("_lora.down.", LORA),
    (".hada_w1_a", LORA),
    (".lokr_w1", LORA),
    (".oft_blocks", LORA),
    ("lora_unet_", LORA),
    ("distilled_guidance_layer.", "Chroma, another kind of model"),
    ("double_stream_blocks.", "HiDream, another kind of model"),
    ("individual_token_refiner.", "Hunyuan Video, another kind of model"),
    ("double_blocks.", "FLUX, another kind of model"),
    ("single_transformer_blocks.", "FLUX in diffusers naming, another kind of model"),
    ("joint_blocks.", "Stable Diffusion 3, another kind of model"),
    ("double_layers.", "AuraFlow, another kind of model"),
    ("clip_txt_mapper.", "Stable Cascade, another kind of model"),
    (".channelwise.", "Stable Cascade, another kind of model"),
    ("head.modulation", "Wan, another kind of model"),
    ("patchify_proj.", "LTX-Video, another kind of model"),
    ("cap_embedder.", "Lumina, another kind of model"),
    ("txt_in.text_norm", "Qwen-Image, another kind of model"),
    ("y_embedder.y_embedding", "PixArt, another kind of model"),
    ("motion_modules.", "an AnimateDiff motion module"),
    ("control_model.", CONTROLNET),
    ("controlnet_cond_embedding.", CONTROLNET),
    ("ip_adapter.", "an IP-Adapter"),
];
pub(super) const LORA: &str = "a LoRA: load an SDXL model first and apply this file to it";
const CONTROLNET: &str = "a ControlNet";

/// Storage that stands for other numbers than are written there.
const QUANTIZED: &[(&str, &str)] = &[
    ("scaled_fp8", "scaled fp8 weights"),
    (".scale_weight", "scaled fp8 weights"),
    (".weight_scale", "scaled weights"),
    (".absmax", "weights quantised by bitsandbytes"),
    (".quant_map", "weights quantised by bitsandbytes"),
];

const UNET: &str = "model.diffusion_model.";

/// Refuses files of safetensors that are no complete SDXL base model.
pub(super) fn refuse_other_models(file: &TensorFile) -> Result<(), Error> {
    let refuse = |found: String| Err(Error::NotSdxl { file: file.name().to_owned(), found });
    let names = file.names();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    let begins = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    if names.is_empty() {
        return refuse("empty: it holds no tensor".to_owned());
    }
    if let Some((_, found)) = SIGNATURES.iter().find(|(part, _)| any(part)) {
        return refuse((*found).to_owned());
    }
    if let Some((part, found)) = QUANTIZED.iter().find(|(part, _)| any(part)) {
        return refuse(format!("a model with {found} ({part}), which are not read: choose it as fp16 or plain fp8"));
    }
    let unet = |name: &str, axis: usize| file.dim(&format!("{UNET}{name}"), axis);
    let context = names
        .iter()
        .find(|name| name.starts_with(UNET) && name.ends_with("attn2.to_k.weight"))
        .and_then(|name| file.dim(name, 1));
    let added = unet("label_emb.0.0.weight", 1);
    match unet("input_blocks.0.0.weight", 1) {
        Some(9) => {
            return refuse(
                "an inpainting model (its UNet takes 9 channels): choose the ordinary model, which inpaints too"
                    .to_owned(),
            );
        }
        Some(8) => return refuse("an instruct-pix2pix model (its UNet takes 8 channels)".to_owned()),
        _ => {}
    }
    if begins("conditioner.embedders.0.model.") || (added == Some(2560) && context == Some(1280)) {
        return refuse("the SDXL refiner: choose the base model".to_owned());
    }
    if begins("cond_stage_model.model.") || (begins(UNET) && added.is_none() && context == Some(1024)) {
        return refuse("Stable Diffusion 2: choose an SDXL model".to_owned());
    }
    if begins("cond_stage_model.") || (begins(UNET) && added.is_none()) {
        return refuse("Stable Diffusion 1: choose an SDXL model".to_owned());
    }
    if file.contains("edm_mean") || file.contains("edm_std") {
        return refuse("Playground v2.5: its EDM noise levels and latent statistics are not supported".to_owned());
    }
    if file.contains("edm_vpred.sigma_max") || file.contains("edm_vpred.sigma_min") {
        return refuse("a CosXL model: its EDM noise levels are not supported".to_owned());
    }
    if !begins(UNET) {
        return refuse(bare_part(&begins, &any).unwrap_or_else(|| {
            let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            format!("of an unknown kind (its tensors begin with {})", some.join(", "))
        }));
    }
    if !begins("conditioner.") {
        return refuse("a bare UNet without text encoders: choose the complete checkpoint".to_owned());
    }
    Ok(())
}

/// What a file without an SDXL UNet is a part of.
fn bare_part(begins: &dyn Fn(&str) -> bool, any: &dyn Fn(&str) -> bool) -> Option<String> {
    let found = if begins("input_blocks.") || (begins("down_blocks.") && begins("conv_in.")) {
        "a bare UNet without text encoders and autoencoder: choose the complete checkpoint"
    } else if begins("first_stage_model.") || begins("decoder.up") || begins("decoder.mid") || begins("vae.decoder.") {
        "a bare autoencoder (VAE): load an SDXL model and give this file as its VAE"
    } else if begins("decoder.layers.") || begins("encoder.layers.") || begins("taesd_") {
        "a tiny autoencoder (TAESD)"
    } else if begins("text_model.") || begins("text_projection") || begins("transformer.resblocks.") {
        "a bare text encoder"
    } else if begins("clip_g") || begins("clip_l") || begins("emb_params") {
        "a textual inversion embedding"
    } else if any("conditioner.embedders.") {
        "text encoders without a UNet: choose the complete checkpoint"
    } else {
        return None;
    };
    Some(found.to_owned())
}
