//! File names from prompts, and files that never replace another.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::exit::usage;

/// Longest file name made from a prompt, in characters.
const MAX_SLUG_CHARS: usize = 60;
/// Longest file name made from a prompt, in bytes: file systems take 255, and numbers and extensions are added.
const MAX_SLUG_BYTES: usize = 180;
/// Most files of one name.
const MAX_NUMBER: u32 = 999_999;
/// Names that Windows keeps for devices, whatever their extension.
const DEVICE_NAMES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];

/// A file name from a prompt: `A Medieval Knight!` is `a-medieval-knight`.
pub(crate) fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for c in prompt.chars().flat_map(char::to_lowercase).take(MAX_SLUG_CHARS) {
        if slug.len() + c.len_utf8() > MAX_SLUG_BYTES {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() || DEVICE_NAMES.contains(&slug) { format!("sprite{slug}") } else { slug.to_owned() }
}

/// `stem`, `stem-2`, `stem-3` …
fn numbered(stem: &str) -> impl Iterator<Item = String> {
    numbered_from(stem, 1)
}

/// The same from a number on.
fn numbered_from(stem: &str, first: u32) -> impl Iterator<Item = String> {
    (first..=MAX_NUMBER).map(move |number| if number <= 1 { stem.to_owned() } else { format!("{stem}-{number}") })
}

/// The first of `stem`, `stem-2` … that is neither taken nor the stem of a PNG in `folder`, and its number. The search
/// begins at number `first`: a batch of 100,000 equal prompts must not ask for every name again and again.
///
/// # Errors
/// When all are.
pub(crate) fn free_stem(
    folder: &Path,
    stem: &str,
    taken: &HashSet<String>,
    first: u32,
) -> anyhow::Result<(String, u32)> {
    let stands = |name: &str| folder.join(format!("{name}.png")).symlink_metadata().is_ok();
    numbered_from(stem, first)
        .zip(first..)
        .find(|(name, _)| !taken.contains(name) && !stands(name))
        .with_context(|| format!("no free name beside {}", folder.join(stem).display()))
}

/// Makes a folder with its parents.
///
/// # Errors
/// When a file stands in its place, or the disk refuses.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let blocking = folder.ancestors().find(|part| part.is_file());
    if let Some(file) = blocking {
        let file = file.display();
        return Err(usage(format!("{file} is a file, expected a folder: choose another --output, or move the file")));
    }
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))
}

/// Files of one stem that appear together: either all under the same free name, or none.
#[derive(Debug)]
pub(crate) struct FileSet {
    folder: PathBuf,
    stem: String,
}

impl FileSet {
    /// Files `stem.*` in a folder, or `stem-2.*` and so on.
    pub(crate) fn new(folder: impl Into<PathBuf>, stem: impl Into<String>) -> Self {
        Self { folder: folder.into(), stem: stem.into() }
    }

    /// Writes the files under the first free name; `files` makes their contents for a name, since sidecars name their
    /// picture.
    ///
    /// # Errors
    /// When the disk refuses, and what `files` returns.
    pub(crate) fn write<const N: usize>(
        &self,
        mut files: impl FnMut(&str) -> anyhow::Result<[(&'static str, Vec<u8>); N]>,
    ) -> anyhow::Result<Vec<PathBuf>> {
        for stem in numbered(&self.stem) {
            let files = files(&stem)?;
            if let Some(written) = self.write_as(&stem, &files)? {
                return Ok(written);
            }
        }
        anyhow::bail!("no free name beside {}", self.folder.join(&self.stem).display())
    }

    /// Writes the files as `stem.*`; `None` when one of the names is taken, and then nothing is left.
    fn write_as(&self, stem: &str, files: &[(&'static str, Vec<u8>)]) -> anyhow::Result<Option<Vec<PathBuf>>> {
        let mut written = Vec::new();
        for (extension, bytes) in files {
            let path = self.folder.join(format!("{stem}.{extension}"));
            if write_new(&path, bytes)? {
                written.push(path);
            } else {
                for path in written {
                    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
                }
                return Ok(None);
            }
        }
        Ok(Some(written))
    }
}

/// Writes a file that is not there yet, whole or not at all; `false` when the name is taken. Two programs that write
/// the same name at the same moment cannot both succeed.
///
/// # Errors
/// When the folder cannot be made or the disk refuses.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    write_new_from(folder_of(path), path, bytes)
}

/// The same by way of `work`, a folder on the same disk: what a kill leaves there is known to be the caller's own.
///
/// # Errors
/// When a folder cannot be made or the disk refuses.
pub(crate) fn write_new_from(work: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    let temporary = temporary_in(work, path, bytes)?;
    match temporary.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(|| format!("writing {}", path.display())),
    }
}

/// Writes a file of ours anew, whole or not at all.
///
/// # Errors
/// When the folder cannot be made or the disk refuses.
pub(crate) fn write_over(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_over_from(folder_of(path), path, bytes)
}

/// The same by way of `work`, a folder on the same disk.
///
/// # Errors
/// When a folder cannot be made or the disk refuses.
pub(crate) fn write_over_from(work: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = temporary_in(work, path, bytes)?;
    temporary.persist(path).map_err(|error| error.error).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in `work`, about to be renamed to `path`.
fn temporary_in(work: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<tempfile::NamedTempFile> {
    make_folder(folder_of(path))?;
    make_folder(work)?;
    let writing = || format!("writing {}", path.display());
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        // What the umask makes of it, as for any other file; temporary files are private otherwise.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(work).with_context(writing)?;
    file.write_all(bytes).with_context(writing)?;
    // A name must never stand for bytes that a power cut can still take.
    file.as_file().sync_data().with_context(writing)?;
    Ok(file)
}

/// How our temporary files begin.
const TEMPORARY_PREFIX: &str = ".dgx-pixels-";

/// Writes a single file as `path`, or as `path` with `-2`, `-3` … where files stand. Returns the name it got.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_numbered(path: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.ok_or_else(|| usage(format!("{} names no file", path.display())))?;
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    for name in numbered(&stem) {
        let candidate = path.with_file_name(format!("{name}{extension}"));
        if candidate.symlink_metadata().is_err() && write_new(&candidate, bytes)? {
            return Ok(candidate);
        }
    }
    anyhow::bail!("no free name beside {}", path.display())
}

pub(crate) fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// Where files of several endings go, and their name without one: `output` names the picture or the folder; without it
/// they go into `default_folder`, named after the prompt.
pub(crate) fn folder_and_stem(output: Option<&Path>, default_folder: PathBuf, prompt: &str) -> (PathBuf, String) {
    match output {
        Some(path) if is_png(path) => {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            (path.parent().unwrap_or(Path::new("")).to_owned(), stem)
        }
        Some(folder) => (folder.to_owned(), slug(prompt)),
        None => (default_folder, slug(prompt)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_becomes_a_file_name() {
        for (prompt, expected) in [
            ("A Medieval  Knight!", "a-medieval-knight"),
            ("../../etc/passwd", "etc-passwd"),
            ("!!", "sprite"),
            ("NUL", "spritenul"),
            ("Clé", "clé"),
        ] {
            assert_eq!(slug(prompt), expected);
        }
        assert!(slug(&"金".repeat(500)).len() <= MAX_SLUG_BYTES);
    }

    #[test]
    fn no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.png");
        for expected in ["a.png", "a-2.png", "a-3.png"] {
            assert_eq!(write_numbered(&path, expected.as_bytes()).unwrap(), path.with_file_name(expected));
        }
        assert_eq!(fs::read(&path).unwrap(), b"a.png");
        assert!(!write_new(&path, b"other").unwrap());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 3, "no temporary file is left");
    }

    #[test]
    fn many_writers_of_one_name_all_keep_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let write = |number: u8| write_numbered(&path, &[number]).unwrap();
        let names: HashSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || write(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 16);
        let contents: HashSet<_> = names.iter().map(|name| fs::read(name).unwrap()).collect();
        assert_eq!(contents.len(), 16);
    }

    #[test]
    fn a_set_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.ron"), "mine").unwrap();
        let set = FileSet::new(folder.path(), "a");
        let written = set.write(|stem| Ok([("png", stem.into()), ("ron", stem.into())])).unwrap();
        assert_eq!(written, ["a-2.png", "a-2.ron"].map(|name| folder.path().join(name)));
        assert!(!folder.path().join("a.png").exists());
        assert_eq!(fs::read(&written[1]).unwrap(), b"a-2");
        assert_eq!(fs::read(folder.path().join("a.ron")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("out"), "").unwrap();
        let error = make_folder(&folder.path().join("out/deeper")).unwrap_err().to_string();
        assert!(error.contains("out is a file, expected a folder"), "{error}");
    }
}
