//! Which files of a repository make a model.

use super::hub::HubFile;
use crate::Error;

/// The components of an SDXL in diffusers layout, with the stem of their weight files.
const COMPONENTS: [(&str, &str); 4] = [
    ("unet", "diffusion_pytorch_model"),
    ("vae", "diffusion_pytorch_model"),
    ("text_encoder", "model"),
    ("text_encoder_2", "model"),
];

/// The files to bring here.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) files: Vec<HubFile>,
    /// The checkpoint, if the model is one file.
    pub(super) single_file: Option<String>,
}

/// Chooses a named checkpoint, or the diffusers layout, or the only checkpoint that there is.
pub(super) fn choose(repository: &str, files: &[HubFile], wanted: Option<&str>, half: bool) -> Result<Choice, Error> {
    let error = |reason: String| Error::Download { file: repository.to_owned(), reason };
    let single = |file: &HubFile| Choice { files: vec![file.clone()], single_file: Some(file.path.clone()) };
    if let Some(wanted) = wanted {
        return match files.iter().find(|file| file.path == wanted) {
            Some(file) if wanted.ends_with(".safetensors") => Ok(single(file)),
            Some(_) => Err(error(format!("{wanted} is no .safetensors file"))),
            None => Err(error(format!("it has no file {wanted}"))),
        };
    }
    if !files.iter().any(|file| file.path == "model_index.json") {
        let checkpoints: Vec<&HubFile> =
            files.iter().filter(|file| file.path.ends_with(".safetensors") && !file.path.contains('/')).collect();
        return match checkpoints.as_slice() {
            [only] => Ok(single(only)),
            [] => Err(error("it has neither model_index.json nor a .safetensors file: it is no SDXL model".to_owned())),
            several => {
                let names: Vec<&str> = several.iter().take(10).map(|file| file.path.as_str()).collect();
                Err(error(format!("it has several checkpoints, choose one of them as file: {}", names.join(", "))))
            }
        };
    }
    let mut chosen: Vec<HubFile> = files.iter().filter(|file| is_small(&file.path)).cloned().collect();
    for (component, stem) in COMPONENTS {
        let weights = weights(files, component, stem, half);
        if weights.is_empty() {
            return Err(error(format!("it has no {component}/{stem}.safetensors: it is no SDXL model in safetensors")));
        }
        chosen.extend(weights);
    }
    Ok(Choice { files: chosen, single_file: None })
}

/// Configurations and tokenizers.
fn is_small(path: &str) -> bool {
    match path.split_once('/') {
        // The second one tells which sizes a sprite model draws.
        None => path == "model_index.json" || path == "sprite_model.json",
        Some(("scheduler", name)) => name == "scheduler_config.json",
        Some(("tokenizer" | "tokenizer_2", name)) => {
            name.ends_with(".json") && !name.contains('/') || name == "merges.txt"
        }
        Some(("vae", "latent_preview.json")) => true,
        Some((component, name)) => name == "config.json" && COMPONENTS.iter().any(|(known, _)| *known == component),
    }
}

/// The weight files of one precision, with their index if they are several.
fn weights(files: &[HubFile], component: &str, stem: &str, half: bool) -> Vec<HubFile> {
    let of = |is_half: bool| -> Vec<HubFile> {
        let own = files.iter().filter(|file| {
            let name = file.path.strip_prefix(component).and_then(|name| name.strip_prefix('/'));
            // "….safetensors", "…-00001-of-00002.safetensors", "….safetensors.index.json"; ".fp16" may stand anywhere.
            name.and_then(|name| name.strip_prefix(stem)).is_some_and(|rest| {
                let plain = rest.replacen(".fp16", "", 1);
                let is_shard = plain.starts_with('-') && plain.contains("-of-") && plain.ends_with(".safetensors");
                (plain == ".safetensors" || plain == ".safetensors.index.json" || is_shard)
                    && (plain.len() != rest.len()) == is_half
            })
        });
        own.cloned().collect()
    };
    let one = |files: Vec<HubFile>| {
        // Some repositories have one file and its shards.
        let whole = files.iter().find(|file| file.path.ends_with(".safetensors") && !file.path.contains("-of-"));
        whole.map(|file| vec![file.clone()]).unwrap_or(files)
    };
    let preferred = of(half);
    one(if preferred.is_empty() { of(!half) } else { preferred })
}
