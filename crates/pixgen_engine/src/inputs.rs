//! The files that a request names besides its model: read, checked and hashed before anything is drawn.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbaImage;
use pixgen_api::{PaletteSource, Request};

use crate::files::{check_is_file, hash_of, read_up_to};
use crate::hash_cache::HashCache;
use crate::picture::MAX_FILE_BYTES;
use crate::provenance::{Input, InputRole};
use crate::{EngineError, Provenance, RecipeFolders, Recovered, Store, picture};

/// What a job is drawn with, besides its model.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) init_image: Option<RgbaImage>,
    pub(crate) mask: Option<RgbaImage>,
    /// For the provenance.
    pub(crate) described: Vec<Input>,
}

impl Input {
    pub(crate) fn new(role: InputRole, path: &Path, sha256: String) -> Self {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { role, name, sha256 }
    }
}

/// What is wrong with the files that a request names, by what they are for. Nothing is opened.
pub(crate) fn faults(request: &Request) -> impl Iterator<Item = EngineError> {
    named(request).into_iter().filter_map(|(role, path)| match fs::metadata(path) {
        Err(_) => Some(EngineError::MissingInput { what: name_of(role), path: path.to_owned() }),
        // An autoencoder may be a folder in diffusers layout.
        Ok(data) if role == InputRole::Vae && data.is_dir() => None,
        Ok(data) => check_is_file(path, &data).err(),
    })
}

/// The files that a request names besides its model.
#[must_use]
pub fn input_files(request: &Request) -> Vec<PathBuf> {
    named(request).into_iter().map(|(_, path)| path.to_owned()).collect()
}

/// How errors call a file.
fn name_of(role: InputRole) -> &'static str {
    match role {
        InputRole::Lora => "LoRA",
        InputRole::Vae => "autoencoder (vae)",
        InputRole::InitImage => "init_image",
        InputRole::Mask => "mask",
        InputRole::Palette => "palette",
    }
}

/// The files that a request names besides its model, and what each is.
pub(crate) fn named(request: &Request) -> Vec<(InputRole, &Path)> {
    let loras = request.loras.iter().map(|lora| (InputRole::Lora, lora.path.as_path()));
    let palette = if let PaletteSource::File(path) = &request.pixel_art.palette { Some(path) } else { None };
    let others = [
        (InputRole::Vae, request.vae.as_ref()),
        (InputRole::InitImage, request.init_image.as_ref()),
        (InputRole::Mask, request.mask.as_ref()),
        (InputRole::Palette, palette),
    ];
    loras.chain(others.into_iter().filter_map(|(role, path)| Some((role, path?.as_path())))).collect()
}

impl Inputs {
    /// Reads what a request names. Pictures are kept in the store, so that the sprite can be drawn again when the file
    /// has changed. `stop` is asked while large files are read.
    pub(crate) fn read(
        request: &Request,
        store: &Store,
        hashes: &HashCache,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, EngineError> {
        if let Some(fault) = faults(request).next() {
            return Err(fault);
        }
        let mut inputs = Self::default();
        for lora in &request.loras {
            inputs.describe(InputRole::Lora, &lora.path, hashes.hash(InputRole::Lora, &lora.path, stop)?);
        }
        if let Some(vae) = &request.vae {
            inputs.describe(InputRole::Vae, vae, hashes.hash(InputRole::Vae, vae, stop)?);
        }
        if let PaletteSource::File(path) = &request.pixel_art.palette {
            inputs.describe(InputRole::Palette, path, hashes.hash(InputRole::Palette, path, stop)?);
        }
        if let Some(path) = &request.init_image {
            inputs.init_image = Some(inputs.picture(InputRole::InitImage, path, store)?);
        }
        if let Some(path) = &request.mask {
            inputs.mask = Some(inputs.picture(InputRole::Mask, path, store)?);
        }
        if let (Some(image), Some(mask)) = (&inputs.init_image, &inputs.mask) {
            let shapes = [image, mask].map(|i| (u64::from(i.width()), u64::from(i.height())));
            if shapes[0].0 * shapes[1].1 != shapes[0].1 * shapes[1].0 {
                return Err(EngineError::MaskShape { mask: mask.dimensions(), picture: image.dimensions() });
            }
        }
        Ok(inputs)
    }

    /// Hashes of the adapters, in their order.
    pub(crate) fn lora_hashes(&self) -> Vec<String> {
        let loras = self.described.iter().filter(|input| input.role == InputRole::Lora);
        loras.map(|input| input.sha256.clone()).collect()
    }

    fn picture(&mut self, role: InputRole, path: &Path, store: &Store) -> Result<RgbaImage, EngineError> {
        let (bytes, image) = picture::open(path)?;
        self.describe(role, path, store.keep_input(&bytes)?);
        Ok(image)
    }

    fn describe(&mut self, role: InputRole, path: &Path, sha256: String) {
        self.described.push(Input::new(role, path, sha256));
    }
}

impl Store {
    /// How a PNG was drawn, as [`Provenance::recover`] says, with those of its files that it may name
    /// ([`RecipeFolders::admit`]). Where a picture that it began with is gone, another one by now, or none of its
    /// business, the copy that the history kept takes its place.
    ///
    /// # Errors
    /// When the bytes are no PNG, or its request is damaged or out of range.
    pub fn recover(&self, png: &[u8], folders: &RecipeFolders) -> Result<Option<Recovered>, EngineError> {
        let Some(mut recovered) = Provenance::recover(png)? else { return Ok(None) };
        let Recovered { request, inputs, notes, .. } = &mut recovered;
        request.validate()?;
        let hash_of_role = |role| inputs.iter().find(|input| input.role == role).map(|input| input.sha256.as_str());
        let is_it = |path: &Path, sha256| read_up_to(path, MAX_FILE_BYTES).is_ok_and(|bytes| hash_of(&bytes) == sha256);
        let (admitted, refused) = folders.admit_or(request, &|what, place| {
            let roles = [InputRole::InitImage, InputRole::Mask];
            let sha256 = roles.into_iter().find(|role| name_of(*role) == what).and_then(hash_of_role)?;
            if place.is_some_and(|place| is_it(place, sha256)) { None } else { self.input(sha256) }
        });
        *request = admitted;
        notes.extend(refused.iter().map(ToString::to_string));
        for (role, path) in [(InputRole::InitImage, &request.init_image), (InputRole::Mask, &request.mask)] {
            if let (Some(path), Some(sha256)) = (path, hash_of_role(role))
                && !is_it(path, sha256)
            {
                notes.push(format!(
                    "{} is not the picture that this sprite began with, which is nowhere else: choose another",
                    path.display()
                ));
            }
        }
        Ok(Some(recovered))
    }
}
