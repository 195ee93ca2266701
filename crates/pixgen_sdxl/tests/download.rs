//! Downloads through `HF_ENDPOINT` from a local server that breaks off, resumes, redirects and sends wrong bytes.
//!
//! `cargo test -p pixgen_sdxl --features download --test download`

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "download/server.rs"]
mod server;
#[path = "single_file/tiny.rs"]
mod tiny;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use pixgen_sdxl::{DownloadProgress, Error, HubModel, LoadOptions, ModelSource, Pipeline};
use safetensors::Dtype;
use tempfile::TempDir;

use server::{COMMIT, requests};

const UNET: &str = "unet/diffusion_pytorch_model.fp16.safetensors";

fn download(model: &HubModel, folder: &Path) -> Result<ModelSource, Error> {
    server::start();
    model.download(folder, &mut |_| ControlFlow::Continue(()))
}

fn refusal(model: &HubModel, folder: &Path) -> String {
    download(model, folder).unwrap_err().to_string()
}

fn load(source: &ModelSource) -> Pipeline {
    let tokenizers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/model_a");
    Pipeline::load_with(source, &LoadOptions { tokenizers: Some(tokenizers), ..LoadOptions::default() }).unwrap().0
}

/// The files below a folder, by path.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.push(entry.to_str().unwrap().replace('\\', "/"));
        }
    }
    found.sort();
    found
}

#[test]
fn a_model_in_diffusers_layout_arrives_with_progress_and_can_be_loaded() {
    let folder = TempDir::new().unwrap();
    server::start();
    let mut reports: Vec<DownloadProgress> = Vec::new();
    let model = HubModel::new("test/plain");
    let source = model
        .download(folder.path(), &mut |progress| {
            reports.push(progress.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    let ModelSource::Folder(place) = &source else { panic!("{source:?} is no folder") };
    assert_eq!(*place, folder.path().join("test--plain").join(COMMIT));
    load(&source);
    // The half-precision weights, and nothing that no model needs.
    let found = files(place);
    assert!(found.iter().any(|file| file.ends_with(UNET)), "{found:?}");
    assert!(!found.iter().any(|file| file.ends_with("unet/diffusion_pytorch_model.safetensors")), "{found:?}");
    assert!(!found.iter().any(|file| file.contains("README") || file.ends_with(".part")), "{found:?}");

    let total = reports[0].total_bytes;
    let on_disk: u64 = found.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!(on_disk, total);
    assert!(reports.windows(2).all(|pair| pair[0].done_bytes <= pair[1].done_bytes), "progress never goes back");
    assert_eq!(reports.last().unwrap().done_bytes, total);

    // All is there: only the list is asked for.
    let before = requests("test/plain").len();
    assert_eq!(format!("{:?}", download(&model, folder.path()).unwrap()), format!("{source:?}"));
    assert_eq!(requests("test/plain").len(), before + 1);
}

#[test]
fn a_single_file_arrives_through_a_redirect() {
    let folder = TempDir::new().unwrap();
    let source = download(&HubModel::new("test/single"), folder.path()).unwrap();
    assert!(matches!(source, ModelSource::SingleFile(_)));
    load(&source);
    assert!(requests("test/single").iter().any(|request| request.path.starts_with("/cdn/")), "it was redirected");
    let named = HubModel { file: Some("two.safetensors".to_owned()), ..HubModel::new("test/several") };
    load(&download(&named, folder.path()).unwrap());
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let folder = TempDir::new().unwrap();
    load(&download(&HubModel::new("test/breaks"), folder.path()).unwrap());
    let begins: Vec<u64> =
        requests("test/breaks").iter().filter(|request| request.path.ends_with(UNET)).map(|r| r.begin).collect();
    assert_eq!(begins.len(), 4, "{begins:?}");
    assert_eq!(begins[0], 0);
    assert!(begins.windows(2).all(|pair| pair[0] < pair[1]), "each goes on behind the last: {begins:?}");
}

#[test]
fn a_download_that_was_cancelled_goes_on_later() {
    let folder = TempDir::new().unwrap();
    server::start();
    let model = HubModel::new("test/cancelled");
    let half = |progress: &DownloadProgress| match progress.done_bytes > progress.total_bytes / 2 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    assert!(matches!(model.download(folder.path(), &mut |progress| half(progress)), Err(Error::Cancelled)));
    let arrived: Vec<String> = files(folder.path()).into_iter().filter(|file| !file.ends_with(".part")).collect();
    assert!(!arrived.is_empty());
    let before = requests("test/cancelled").len();
    load(&download(&model, folder.path()).unwrap());
    let again = &requests("test/cancelled")[before..];
    for file in arrived {
        assert!(
            !again.iter().any(|request| !request.file.is_empty() && file.ends_with(&request.file)),
            "{file} is not transferred twice"
        );
    }
}

#[test]
fn a_server_that_stays_away_is_an_error_that_keeps_what_is_there() {
    let folder = TempDir::new().unwrap();
    let model = HubModel::new("test/stays-away");
    let error = refusal(&model, folder.path());
    for part in [UNET, "broke 4 times in a row", "bytes are on the disk", "try again"] {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
    let part = files(folder.path()).into_iter().find(|file| file.ends_with(".part")).unwrap();
    assert!(fs::metadata(&part).unwrap().len() > 0);
    server::come_back();
    load(&download(&model, folder.path()).unwrap());
    assert!(!Path::new(&part).exists());
    let last = requests("test/stays-away").into_iter().rfind(|request| request.path.ends_with(UNET)).unwrap();
    assert!(last.begin > 0, "it went on where it was");
}

#[test]
fn wrong_bytes_are_noticed_and_removed() {
    let folder = TempDir::new().unwrap();
    for (repository, file) in [("test/wrong-large", UNET), ("test/wrong-small", "unet/config.json")] {
        let error = refusal(&HubModel::new(repository), folder.path());
        for part in [file, "another hash than the server lists", "was removed"] {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        let left = files(folder.path());
        assert!(
            !left.iter().any(|path| path.contains(&repository.replace('/', "--")) && path.contains(file)),
            "{left:?}"
        );
    }
}

#[test]
fn a_part_of_another_file_is_replaced() {
    let folder = TempDir::new().unwrap();
    for (repository, length) in [("test/old-part", 100), ("test/long-part", 10_000_000), ("test/no-ranges", 100)] {
        let model = HubModel::new(repository);
        let part = folder.path().join(repository.replace('/', "--")).join(COMMIT).join(format!("{UNET}.part"));
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, vec![7; length]).unwrap();
        load(&download(&model, folder.path()).unwrap());
    }
}

#[test]
fn what_the_server_refuses_is_said_in_words() {
    let folder = TempDir::new().unwrap();
    let cases = [
        (HubModel::new("test/gone"), "does not know it (404)"),
        (HubModel::new("test/gated"), "set HF_TOKEN"),
        (HubModel::new("test/nonsense"), "the list of its files cannot be read"),
        (HubModel::new("test/odd-commit"), "expected 40 hexadecimal digits"),
        (
            HubModel::new("test/several"),
            "several checkpoints, choose one of them as file: one.safetensors, two.safetensors",
        ),
        (HubModel::new("test/empty"), "neither model_index.json nor a .safetensors file"),
        (HubModel::new("test/pickles"), "no unet/diffusion_pytorch_model.safetensors"),
        (
            HubModel { file: Some("none.safetensors".to_owned()), ..HubModel::new("test/several") },
            "no file none.safetensors",
        ),
        (
            HubModel { file: Some("README.md".to_owned()), ..HubModel::new("test/plain") },
            "README.md is no .safetensors",
        ),
        (HubModel::new("no owner"), "expected owner and name"),
        (HubModel::new("../secrets"), "expected owner and name"),
        (
            HubModel { revision: "a/../b".to_owned(), ..HubModel::new("test/plain") },
            "expected a branch, a tag or a commit",
        ),
    ];
    for (model, expected) in cases {
        let error = refusal(&model, folder.path());
        assert!(error.contains(expected), "{model:?}: {error:?} lacks {expected:?}");
    }
}

#[test]
fn names_that_lead_out_of_the_folder_are_never_written() {
    let folder = TempDir::new().unwrap();
    load(&download(&HubModel::new("test/escapes"), folder.path()).unwrap());
    let found = files(folder.path());
    assert!(found.iter().all(|file| !file.contains("escaped")), "{found:?}");
    assert!(!folder.path().parent().unwrap().join("escaped.json").exists());
}

/// The served model, made once.
pub fn tiny_model() -> TempDir {
    let folder = TempDir::new().unwrap();
    let tiny = tiny::Tiny::new();
    tiny.write_folder(&folder.path().join("folder"), Dtype::F8_E4M3);
    tiny.write_single_file(&folder.path().join("single.safetensors"), Dtype::F8_E4M3, |_| {});
    folder
}
