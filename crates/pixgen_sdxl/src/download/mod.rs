//! Models from the Hugging Face Hub, or a server that speaks its protocol: with progress, taken up again after a break,
//! checked by hash.
//!
//! The `hf-hub` crate is not used: 0.5 resumes, but checks no hash, takes a server that ignores a range for one that
//! follows it, and cannot be cancelled; 1.0 brings an async runtime and hundreds of dependencies.

mod choice;
mod hub;
mod transfer;

use std::ops::ControlFlow;
use std::path::Path;

use self::hub::Hub;
use self::transfer::Progress;
use crate::{Error, ModelSource};

/// A model on the Hub.
///
/// The server is `https://huggingface.co`, or that of the environment variable `HF_ENDPOINT`; the access token that some
/// models ask for is taken from `HF_TOKEN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// Owner and name, as `stabilityai/stable-diffusion-xl-base-1.0`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// A single-file checkpoint of the repository; `None` takes its diffusers layout, or its only `.safetensors` file.
    pub file: Option<String>,
    /// Whether half-precision variants of the weights are preferred where there are two.
    pub half: bool,
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadProgress {
    /// The file that is being transferred, by its path in the repository.
    pub file: String,
    /// Bytes that are on the disk, of this and of all other files of the model.
    pub done_bytes: u64,
    /// Bytes of all files of the model.
    pub total_bytes: u64,
}

impl HubModel {
    /// The half-precision weights of a repository's main branch.
    #[must_use]
    pub fn new(repository: impl Into<String>) -> Self {
        Self { repository: repository.into(), revision: "main".to_owned(), file: None, half: true }
    }

    /// Brings the model into a folder of its own below `folder` and tells where it is. What is there already is not
    /// transferred again; after a break the next call goes on where the last one ended. Every file is held against the
    /// hash that the server lists before it gets its name.
    ///
    /// `observe` is called a few times per second at most; a break ends the download with [`Error::Cancelled`].
    ///
    /// # Errors
    /// When the server cannot be reached or answers with an error, when a file arrives with another hash, when the
    /// repository holds no SDXL model, or when the disk cannot be written to.
    pub fn download(
        &self,
        folder: &Path,
        observe: &mut dyn FnMut(&DownloadProgress) -> ControlFlow<()>,
    ) -> Result<ModelSource, Error> {
        let hub = Hub::from_environment(&self.repository)?;
        let listing = hub.list(&self.revision)?;
        let chosen = choice::choose(&self.repository, &listing.files, self.file.as_deref(), self.half)?;
        let folder = folder.join(self.repository.replace('/', "--")).join(&listing.commit);
        let mut progress = Progress::new(chosen.files.iter().map(|file| file.size).sum(), observe);
        for file in &chosen.files {
            transfer::fetch(&hub, &listing.commit, file, &folder, &mut progress)?;
        }
        Ok(match chosen.single_file {
            Some(file) => ModelSource::SingleFile(folder.join(file)),
            None => ModelSource::Folder(folder),
        })
    }
}
