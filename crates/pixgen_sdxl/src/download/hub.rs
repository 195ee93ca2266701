//! The Hub's protocol: what a repository holds, and where its files are.
//!
//! Source: `huggingface_hub`, `hf_api.py` (`model_info` with `files_metadata`) and `file_download.py`.

use std::path::{Component, Path};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::Error;

const ENDPOINT: &str = "https://huggingface.co";
/// A list of files is no longer than this.
const LISTING_BYTES: u64 = 16 << 20;
/// Silence after which a connection counts as broken.
const SILENCE: Duration = Duration::from_secs(30);

/// A server, and one repository on it.
pub(super) struct Hub {
    agent: Agent,
    endpoint: String,
    repository: String,
    token: Option<String>,
}

/// What a repository holds at one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<HubFile>,
}

/// A file of a repository.
#[derive(Clone, Debug)]
pub(super) struct HubFile {
    /// Path in the repository, with forward slashes; it never leads out of a folder.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) hash: Hash,
}

/// What the server says that the content is, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// Of large files.
    Sha256(String),
    /// Of small files: git's, the SHA-1 of `blob `, the size, a zero byte and the content.
    Git(String),
}

#[derive(Deserialize)]
struct ModelInfo {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Hub {
    pub(super) fn from_environment(repository: &str) -> Result<Self, Error> {
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(allowed) && !part.chars().all(|c| c == '.')
        };
        if !matches!(repository.split('/').collect::<Vec<_>>().as_slice(), [owner, name] if plain(owner) && plain(name))
        {
            return Err(Error::Input(format!(
                "the repository is {repository:?}, expected owner and name, as stabilityai/stable-diffusion-xl-base-1.0"
            )));
        }
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("pixgen_sdxl/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self {
            agent,
            endpoint: variable("HF_ENDPOINT").unwrap_or(ENDPOINT.to_owned()).trim_end_matches('/').to_owned(),
            repository: repository.to_owned(),
            token: variable("HF_TOKEN"),
        })
    }

    /// The files of the repository at a branch, tag or commit.
    pub(super) fn list(&self, revision: &str) -> Result<Listing, Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if revision.is_empty() || !revision.chars().all(allowed) {
            return Err(Error::Input(format!("the revision is {revision:?}, expected a branch, a tag or a commit")));
        }
        let url = format!("{}/api/models/{}/revision/{revision}?blobs=true", self.endpoint, self.repository);
        let error = |reason: String| Error::Download { file: self.repository.clone(), reason };
        let response = self.get(&url, 0).map_err(|reason| error(reason.to_string()))?;
        if response.status() != 200 {
            return Err(error(self.refusal(response.status().as_u16())));
        }
        let body = response.into_body().into_with_config().limit(LISTING_BYTES).read_to_vec();
        let body = body.map_err(|reason| error(reason.to_string()))?;
        let info: ModelInfo = serde_json::from_slice(&body)
            .map_err(|reason| error(format!("the list of its files cannot be read: {reason}")))?;
        let is_commit = info.sha.len() == 40 && info.sha.chars().all(|c| c.is_ascii_hexdigit());
        if !is_commit {
            return Err(error(format!("the server calls its commit {:?}, expected 40 hexadecimal digits", info.sha)));
        }
        let files = info.siblings.into_iter().filter_map(|sibling| {
            // A file whose name leads out of its folder, or whose content cannot be checked, is none of a model's.
            let is_inside = Path::new(&sibling.rfilename).components().all(|part| matches!(part, Component::Normal(_)));
            let (size, hash) = match (sibling.lfs, sibling.size, sibling.blob_id) {
                (Some(Lfs { sha256, size }), _, _) => (size, Hash::Sha256(sha256)),
                (None, Some(size), Some(id)) => (size, Hash::Git(id)),
                (None, _, _) => return None,
            };
            let is_plain = is_inside && !sibling.rfilename.contains(['\\', ':', '?', '#', '%']);
            is_plain.then_some(HubFile { path: sibling.rfilename, size, hash })
        });
        Ok(Listing { files: files.collect(), commit: info.sha })
    }

    /// Asks for a file from byte `begin` on.
    pub(super) fn get_file(&self, commit: &str, file: &HubFile, begin: u64) -> Result<Response<Body>, ureq::Error> {
        let path = file.path.replace(' ', "%20");
        self.get(&format!("{}/{}/resolve/{commit}/{path}", self.endpoint, self.repository), begin)
    }

    fn get(&self, url: &str, begin: u64) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        // The token is not sent on when the server redirects to another one.
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if begin > 0 {
            request = request.header("Range", format!("bytes={begin}-"));
        }
        request.call()
    }

    /// What an answer other than the wanted one means.
    pub(super) fn refusal(&self, status: u16) -> String {
        let Self { endpoint, repository, .. } = self;
        match status {
            401 | 403 => format!(
                "{endpoint} asks for permission ({status}): accept the terms of {repository} on its page, and set \
                 HF_TOKEN to a token of your account"
            ),
            404 => format!("{endpoint} does not know it (404): check the name, the revision and the file"),
            _ => format!("{endpoint} answers with the status {status}: try again later"),
        }
    }
}
