//! The second text encoder's tensor names in single files (OpenCLIP's) and in transformers.
//!
//! Source: diffusers, `loaders/single_file_utils.py`, `convert_open_clip_checkpoint`.

use super::tensor_file::Part;

/// The names that every text encoder has in this crate: those of transformers, with the prefix `text_model.` that
/// transformers leaves out since 5.6.
pub(super) fn canonical_name(name: &str) -> String {
    if name.starts_with("text_model.") || name.starts_with("text_projection.") {
        name.to_owned()
    } else {
        format!("text_model.{name}")
    }
}

/// The weights that OpenCLIP stores under `name`, with the part of the stored tensor that each is. Empty for names
/// that OpenCLIP's text encoder does not have.
pub(super) fn from_open_clip(name: &str) -> Vec<(String, Part)> {
    let whole = |name: String| vec![(name, Part::Whole)];
    match name {
        "token_embedding.weight" => return whole("text_model.embeddings.token_embedding.weight".to_owned()),
        "positional_embedding" => return whole("text_model.embeddings.position_embedding.weight".to_owned()),
        // OpenCLIP multiplies with the matrix from the right, transformers has a linear layer.
        "text_projection" => return vec![("text_projection.weight".to_owned(), Part::Transposed)],
        // Files that were saved from transformers' layer.
        "text_projection.weight" => return whole(name.to_owned()),
        "ln_final.weight" => return whole("text_model.final_layer_norm.weight".to_owned()),
        "ln_final.bias" => return whole("text_model.final_layer_norm.bias".to_owned()),
        _ => {}
    }
    let Some((layer, rest)) = name.strip_prefix("transformer.resblocks.").and_then(|rest| rest.split_once('.')) else {
        return Vec::new();
    };
    let in_layer = |name: &str| format!("text_model.encoder.layers.{layer}.{name}");
    for kind in ["weight", "bias"] {
        if rest == format!("attn.in_proj_{kind}") {
            let thirds = ["q", "k", "v"].iter().enumerate();
            return thirds
                .map(|(index, which)| {
                    (in_layer(&format!("self_attn.{which}_proj.{kind}")), Part::Rows { index, of: 3 })
                })
                .collect();
        }
    }
    let Some((module, kind)) = rest.rsplit_once('.') else { return Vec::new() };
    let module = match module {
        "ln_1" => "layer_norm1",
        "ln_2" => "layer_norm2",
        "mlp.c_fc" => "mlp.fc1",
        "mlp.c_proj" => "mlp.fc2",
        "attn.out_proj" => "self_attn.out_proj",
        _ => return Vec::new(),
    };
    whole(in_layer(&format!("{module}.{kind}")))
}
