//! A server that speaks as much of the Hugging Face Hub's protocol as `models download` needs, with one fault each.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files from this size on are kept as large ones, with another hash.
const LARGE_BYTES: usize = 10_000;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The first answer with this file ends in its middle.
    BreaksOff(&'static str),
    /// A bit of this file is wrong.
    WrongBit(&'static str),
    /// This file comes a kilobyte at a time.
    Slow(&'static str),
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Hub {
    /// For `HF_ENDPOINT`.
    pub(crate) address: String,
    files: BTreeMap<String, Vec<u8>>,
    listing: String,
    fault: Mutex<Fault>,
    /// What was asked for: the file, and from which byte on.
    asked: Mutex<Vec<(String, usize)>>,
}

impl Hub {
    /// Serves a folder as the repository `test/tiny`.
    pub(crate) fn start(folder: &Path, fault: Fault) -> Arc<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files);
        let siblings: Vec<_> = files.iter().map(|(path, bytes)| sibling(path, bytes)).collect();
        let listing = json!({ "id": "test/tiny", "sha": COMMIT, "siblings": siblings }).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let hub = Arc::new(Self { address, files, listing, fault: Mutex::new(fault), asked: Mutex::default() });
        let server = Arc::clone(&hub);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let hub = Arc::clone(&server);
                // A client that goes away is none of the server's business.
                thread::spawn(move || hub.answer(stream.unwrap()).ok());
            }
        });
        hub
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn mend(&self) {
        *self.fault.lock().unwrap() = Fault::None;
    }

    /// From which bytes on a file was asked for, in their order.
    pub(crate) fn asked_for(&self, file: &str) -> Vec<usize> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| asked == file).map(|(_, begin)| *begin).collect()
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().unwrap()?;
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let mut begin = 0;
        for line in lines {
            let line = line?.to_lowercase();
            if let Some(range) = line.strip_prefix("range: bytes=") {
                begin = range.trim_end_matches('-').parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        if path.starts_with("/api/models/test/tiny") {
            let length = self.listing.len();
            return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", self.listing);
        }
        let file = path.strip_prefix(&format!("/test/tiny/resolve/{COMMIT}/")).unwrap_or_default();
        let Some(bytes) = self.files.get(file) else {
            return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        };
        self.asked.lock().unwrap().push((file.to_owned(), begin));
        let fault = self.fault.lock().unwrap().clone();
        let mut bytes = bytes.clone();
        let size = bytes.len();
        if fault_of(&fault) == file && matches!(fault, Fault::WrongBit(_)) {
            bytes[size / 2] ^= 1;
        }
        let (status, range) = match begin {
            0 => ("200 OK", String::new()),
            _ => ("206 Partial Content", format!("Content-Range: bytes {begin}-{}/{size}\r\n", size - 1)),
        };
        let length = size - begin;
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{range}\r\n")?;
        match fault {
            Fault::BreaksOff(bad) if bad == file && begin == 0 => stream.write_all(&bytes[..size / 2]),
            Fault::Slow(bad) if bad == file => bytes[begin..].chunks(1_000).try_for_each(|piece| {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(piece)
            }),
            _ => stream.write_all(&bytes[begin..]),
        }
    }
}

fn fault_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::None => "",
        Fault::BreaksOff(file) | Fault::WrongBit(file) | Fault::Slow(file) => file,
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// What the list says of a file.
fn sibling(path: &str, bytes: &[u8]) -> serde_json::Value {
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if bytes.len() >= LARGE_BYTES {
        let sha256 = hex(&Sha256::digest(bytes));
        let lfs = json!({ "sha256": sha256, "size": bytes.len(), "pointerSize": 135 });
        return json!({ "rfilename": path, "size": bytes.len(), "blobId": "aa".repeat(20), "lfs": lfs });
    }
    let git = Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize();
    json!({ "rfilename": path, "size": bytes.len(), "blobId": hex(&git) })
}
