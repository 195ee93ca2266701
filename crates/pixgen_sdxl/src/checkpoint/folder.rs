//! A component in diffusers layout: one safetensors file, its half-precision variant, or several and an index.

use std::rc::Rc;

use super::tensor_file::{Part, TensorFile};
use super::{Place, Routing, ldm_clip, ldm_vae};
use crate::{Error, ModelSource};

/// The place of every weight of `component`, whose files lie in `folder`.
pub(super) fn routing(
    source: &ModelSource,
    component: &str,
    folder: &str,
    stem: &str,
    half: bool,
) -> Result<Routing, Error> {
    let mut routing = Routing::new();
    for path in source.weight_files(folder, stem, half)? {
        let file = Rc::new(open(source, &path)?);
        for tensor in file.names() {
            let name = match component {
                "text_encoder" | "text_encoder_2" => ldm_clip::canonical_name(&tensor),
                "vae" => ldm_vae::modern_name(&tensor),
                _ => tensor.clone(),
            };
            routing.insert(name, Place { file: Rc::clone(&file), tensor, part: Part::Whole });
        }
    }
    Ok(routing)
}

fn open(source: &ModelSource, path: &str) -> Result<TensorFile, Error> {
    let name = source.display(path);
    match source {
        ModelSource::Folder(folder) => TensorFile::open(&folder.join(path), name),
        ModelSource::SingleFile(file) => TensorFile::open(file, name),
        ModelSource::Embedded(files) => match files.iter().find(|(name, _)| *name == path) {
            Some((_, bytes)) => TensorFile::embedded(bytes, name),
            None => {
                Err(Error::MissingFile { file: name, expected: "the index of the weight files names it".to_owned() })
            }
        },
    }
}
