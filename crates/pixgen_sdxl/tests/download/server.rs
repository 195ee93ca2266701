//! A server that speaks as much of the Hub's protocol as the tests need, and misbehaves by the name of the repository.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::{fs, thread};

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files from this size on are kept as large ones.
const LARGE_BYTES: usize = 10_000;
/// What a connection of a breaking server gives before it ends.
const PIECE_BYTES: usize = 200_000;

/// A request for a file.
#[derive(Clone, Debug)]
pub struct Request {
    repository: String,
    pub path: String,
    /// The file's path in the repository; empty for the list.
    pub file: String,
    /// First byte that was asked for.
    pub begin: u64,
}

static REQUESTS: Mutex<Vec<Request>> = Mutex::new(Vec::new());
static IS_BACK: AtomicBool = AtomicBool::new(false);

static ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder = super::tiny_model();
    let mut model = BTreeMap::new();
    read_files(&folder.path().join("folder"), "", &mut model);
    let single = fs::read(folder.path().join("single.safetensors")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (model, single) = (model.clone(), single.clone());
            thread::spawn(move || {
                // A client that goes away is none of the server's business.
                let _ = answer(stream.unwrap(), &model, &single);
            });
        }
    });
    #[allow(unsafe_code, reason = "the variable is what is tested")]
    // SAFETY: it is set once, before the first download reads it: every test begins with `start`, which waits here.
    unsafe {
        std::env::set_var("HF_ENDPOINT", &address);
        std::env::remove_var("HF_TOKEN");
    }
    address
});

/// Starts the server, once for all tests.
pub fn start() {
    LazyLock::force(&ADDRESS);
}

/// What was asked of a repository so far.
pub fn requests(repository: &str) -> Vec<Request> {
    let all = REQUESTS.lock().unwrap();
    all.iter().filter(|request| request.repository == repository).cloned().collect()
}

/// The server that stays away serves again.
pub fn come_back() {
    IS_BACK.store(true, Ordering::SeqCst);
}

fn read_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            read_files(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// The files of a repository.
fn repository(name: &str, model: &BTreeMap<String, Vec<u8>>, single: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let readme = ("README.md".to_owned(), b"A model.".to_vec());
    let checkpoints = |names: &[&str]| -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), single.to_vec())).chain([readme.clone()]).collect()
    };
    let renamed = |from: &str, to: &str| -> BTreeMap<String, Vec<u8>> {
        let files = model.iter().map(|(path, bytes)| (path.replace(from, to), bytes.clone()));
        files.chain([readme.clone()]).collect()
    };
    match name {
        "test/single" => checkpoints(&["only.safetensors"]),
        "test/several" => checkpoints(&["one.safetensors", "two.safetensors"]),
        "test/empty" => checkpoints(&[]),
        "test/pickles" => renamed(".safetensors", ".bin"),
        _ => {
            let mut files = renamed(".safetensors", ".fp16.safetensors");
            // The full precision is there too, and must not be chosen.
            files.insert("unet/diffusion_pytorch_model.safetensors".to_owned(), vec![0; 20_000]);
            if name == "test/escapes" {
                for path in
                    ["../escaped.json", "tokenizer/../../../escaped.json", "/tmp/escaped.json", "vae\\escaped.json"]
                {
                    files.insert(path.to_owned(), b"{}".to_vec());
                }
            }
            files
        }
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the Hub says of a repository with `?blobs=true`.
fn listing(name: &str, files: &BTreeMap<String, Vec<u8>>) -> String {
    let siblings: Vec<_> = files
        .iter()
        .map(|(path, bytes)| {
            let git = hex(&Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize());
            let mut sibling = json!({ "rfilename": path, "size": bytes.len(), "blobId": git });
            if bytes.len() >= LARGE_BYTES {
                // git holds a pointer to large files: its hash is not that of the content.
                sibling["blobId"] = json!("aa".repeat(20));
                let sha256 = hex(&Sha256::digest(bytes));
                sibling["lfs"] = json!({ "sha256": sha256, "size": bytes.len(), "pointerSize": 135 });
            }
            sibling
        })
        .collect();
    let commit = if name == "test/odd-commit" { "../../etc" } else { COMMIT };
    json!({ "id": name, "sha": commit, "siblings": siblings }).to_string()
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

fn answer(mut stream: TcpStream, model: &BTreeMap<String, Vec<u8>>, single: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let range =
        headers.get("range").map(|range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').to_owned());
    let begin: usize = range.map_or(0, |begin| begin.parse().unwrap());
    let is_list = path.starts_with("/api/models/");
    let plain = path.trim_start_matches("/api/models/").trim_start_matches("/cdn/").trim_start_matches('/');
    let name: String = plain.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    let file = plain.split_once(&format!("/resolve/{COMMIT}/")).map_or("", |(_, file)| file).to_owned();
    let earlier = requests(&name).iter().filter(|request| request.file == file).count();
    REQUESTS.lock().unwrap().push(Request {
        repository: name.clone(),
        path: path.clone(),
        file: file.clone(),
        begin: begin as u64,
    });
    match name.as_str() {
        "test/gone" => return respond(&mut stream, "404 Not Found", "", b"{}"),
        "test/gated" => return respond(&mut stream, "401 Unauthorized", "", b"{}"),
        "test/nonsense" => return respond(&mut stream, "200 OK", "", b"<html>"),
        _ => {}
    }
    let files = repository(&name, model, single);
    if is_list {
        return respond(&mut stream, "200 OK", "", listing(&name, &files).as_bytes());
    }
    if name == "test/single" && !path.starts_with("/cdn/") {
        return respond(&mut stream, "302 Found", &format!("Location: /cdn{path}\r\n"), b"");
    }
    let Some(bytes) = files.get(&file) else { return respond(&mut stream, "404 Not Found", "", b"") };
    let mut bytes = bytes.clone();
    let is_large = bytes.len() >= LARGE_BYTES;
    if (name == "test/wrong-large" && is_large) || (name == "test/wrong-small" && file == "unet/config.json") {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let size = bytes.len();
    let ranged = begin > 0 && name != "test/no-ranges";
    if ranged && begin >= size {
        return respond(&mut stream, "416 Range Not Satisfiable", &format!("Content-Range: bytes */{size}\r\n"), b"");
    }
    let body = if ranged { &bytes[begin..] } else { &bytes[..] };
    let range = if ranged { format!("Content-Range: bytes {begin}-{}/{size}\r\n", size - 1) } else { String::new() };
    let status = if ranged { "206 Partial Content" } else { "200 OK" };
    let is_unet = file.starts_with("unet/") && is_large;
    // A connection that ends before the body does.
    let breaks_off = |stream: &mut TcpStream, count: usize| -> std::io::Result<()> {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{range}\r\n")?;
        stream.write_all(&body[..count.min(length)])
    };
    match name.as_str() {
        "test/breaks" if is_unet && earlier < 3 => breaks_off(&mut stream, PIECE_BYTES),
        "test/stays-away" if is_unet && !IS_BACK.load(Ordering::SeqCst) => {
            breaks_off(&mut stream, if earlier == 0 { PIECE_BYTES } else { 0 })
        }
        _ => respond(&mut stream, status, &range, body),
    }
}
