//! What a batch has decided: which line gets which name and which seed. It is written before anything is drawn, so that
//! a batch that was killed goes on under the same names, draws nothing twice and loses nothing.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exit::usage;
use crate::names::{free_stem, make_folder};

/// The key of the picture of all sprites, which has a name like them.
pub(crate) const CONTACT_SHEET: &str = "contact sheet";

/// What was decided for one sprite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// What the sprite is: the hash of its request and which of several equal ones it is.
    key: String,
    /// Its file without the extension.
    pub(crate) name: String,
    /// Its seed.
    pub(crate) seed: u64,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    /// A sprite's name and seed.
    Decision(Decision),
    /// The colours of the palette that all sprites share; 0 if they share none.
    JointPalette { joint_palette: u32 },
}

/// The journal of one batch file in one output folder. While it is open no other run can open it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    decisions: HashMap<String, Decision>,
    taken: HashSet<String>,
    /// The last number that was given to a name.
    numbers: HashMap<String, u32>,
    /// The colours of the palette that all sprites share, 0 without one; `None` before the first run.
    joint_palette: Option<u32>,
}

/// What a sprite of the batch is before anything is decided.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The hash of its request and which of several equal ones it is.
    pub(crate) key: String,
    /// The name it would like to have.
    pub(crate) stem: String,
    /// Its seed, if the batch says one.
    pub(crate) seed: Option<u64>,
}

impl Journal {
    /// Opens the journal in `data`, a folder of the batch's own inside the output folder.
    ///
    /// # Errors
    /// When another run has it open, or the disk refuses.
    pub(crate) fn open(data: &Path, folder: &Path) -> anyhow::Result<Self> {
        make_folder(data)?;
        let path = data.join("journal.jsonl");
        let opening = || format!("opening {}", path.display());
        let mut file = File::options().create(true).read(true).append(true).open(&path).with_context(opening)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                return Err(usage(format!("another run is drawing this batch in {folder}: wait for it, or end it")));
            }
            // Some network file systems lock nothing; the names are safe even so.
            Err(TryLockError::Error(_)) => {}
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(opening)?;
        // A kill can cut the last line; what it said was not acted on yet.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).with_context(opening)?;
        file.seek(SeekFrom::End(0)).with_context(opening)?;
        let mut decisions: HashMap<String, Decision> = HashMap::new();
        let mut owners: HashMap<String, String> = HashMap::new();
        let mut joint_palette = None;
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let line = serde_json::from_str(line).with_context(|| {
                format!("{} line {number} is damaged: remove the file to begin anew", path.display())
            })?;
            let decision = match line {
                Line::Decision(decision) => decision,
                Line::JointPalette { joint_palette: colors } => {
                    joint_palette = Some(colors);
                    continue;
                }
            };
            // A name is only given again after it was released: the sprite that had it before holds it no longer.
            let before = owners.insert(decision.name.clone(), decision.key.clone());
            if let Some(before) = before.filter(|before| *before != decision.key)
                && decisions.get(&before).is_some_and(|held| held.name == decision.name)
            {
                decisions.remove(&before);
            }
            decisions.insert(decision.key.clone(), decision);
        }
        let mut journal = Self {
            file,
            path,
            folder: folder.to_owned(),
            decisions,
            taken: HashSet::new(),
            numbers: HashMap::new(),
            joint_palette,
        };
        journal.count_taken();
        Ok(journal)
    }

    /// The names that are held by a sprite.
    fn count_taken(&mut self) {
        self.taken = self.decisions.values().map(|decision| decision.name.clone()).collect();
        self.numbers.clear();
    }

    /// Keeps whether the sprites share a palette, and of how many colours: half a batch in other colours is none.
    ///
    /// # Errors
    /// When an earlier run kept something else, or the disk refuses.
    pub(crate) fn keep_joint_palette(&mut self, colors: Option<u32>) -> anyhow::Result<()> {
        let flag = |colors: u32| match colors {
            0 => "without --joint-palette".to_owned(),
            colors => format!("with --joint-palette {colors}"),
        };
        let colors = colors.unwrap_or(0);
        match self.joint_palette {
            Some(kept) if kept == colors => Ok(()),
            Some(kept) => Err(usage(format!(
                "this batch was begun {} in {}: run it so again, or write elsewhere with --output to draw it {}",
                flag(kept),
                self.folder.display(),
                flag(colors)
            ))),
            None => {
                let mut text = serde_json::to_string(&Line::JointPalette { joint_palette: colors })?;
                text.push('\n');
                self.append(&text)?;
                self.joint_palette = Some(colors);
                Ok(())
            }
        }
    }

    /// Decides what is not decided yet, and keeps it for good before it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn decide(
        &mut self,
        wishes: &[Wish],
        mut fresh_seed: impl FnMut() -> u64,
    ) -> anyhow::Result<Vec<Decision>> {
        let mut text = String::new();
        let mut decided = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let decision = match self.decisions.get(&wish.key) {
                Some(decision) => decision.clone(),
                None => {
                    let seed = wish.seed.unwrap_or_else(&mut fresh_seed);
                    self.add(&wish.key, &wish.stem, seed, &mut text)?
                }
            };
            decided.push(decision);
        }
        self.append(&text)?;
        Ok(decided)
    }

    /// Gives the names of lines back that are no longer in the batch and were never drawn.
    pub(crate) fn release(&mut self, wishes: &[Wish]) {
        let keys: HashSet<&str> = wishes.iter().map(|wish| wish.key.as_str()).collect();
        let is_lost = |decision: &Decision| {
            let is_gone = !keys.contains(decision.key.as_str()) && decision.key != CONTACT_SHEET;
            is_gone && !self.folder.join(format!("{}.png", decision.name)).exists()
        };
        let lost: Vec<_> =
            self.decisions.values().filter(|decision| is_lost(decision)).map(|decision| decision.key.clone()).collect();
        for key in lost {
            self.decisions.remove(&key);
        }
        self.count_taken();
    }

    /// Another name for a sprite whose name somebody else took.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn rename(&mut self, decision: &Decision, stem: &str) -> anyhow::Result<Decision> {
        let mut text = String::new();
        let renamed = self.add(&decision.key, stem, decision.seed, &mut text)?;
        self.append(&text)?;
        Ok(renamed)
    }

    fn add(&mut self, key: &str, stem: &str, seed: u64, text: &mut String) -> anyhow::Result<Decision> {
        let first = self.numbers.get(stem).map_or(1, |number| number + 1);
        let (name, number) = free_stem(&self.folder, stem, &self.taken, first)?;
        self.numbers.insert(stem.to_owned(), number);
        let decision = Decision { key: key.to_owned(), name, seed };
        text.push_str(&serde_json::to_string(&decision)?);
        text.push('\n');
        self.taken.insert(decision.name.clone());
        self.decisions.insert(decision.key.clone(), decision.clone());
        Ok(decision)
    }

    fn append(&mut self, text: &str) -> anyhow::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("writing {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(key: &str, stem: &str) -> Wish {
        Wish { key: key.into(), stem: stem.into(), seed: None }
    }

    #[test]
    fn what_was_decided_stays_decided() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(".items.batch");
        std::fs::write(folder.path().join("potion.png"), "mine").unwrap();
        let wishes = [wish("a", "potion"), wish("b", "potion"), wish("c", "key")];
        let mut seeds = 1..;
        let mut journal = Journal::open(&data, folder.path()).unwrap();
        let decided = journal.decide(&wishes, || seeds.next().unwrap()).unwrap();
        let names: Vec<_> = decided.iter().map(|decision| decision.name.as_str()).collect();
        assert_eq!(names, ["potion-2", "potion-3", "key"]);
        assert!(Journal::open(&data, folder.path()).unwrap_err().to_string().contains("another run"));
        drop(journal);

        // A kill cut the last line; a new line has come.
        let path = data.join("journal.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"key\": \"d\", \"na")).unwrap();
        let mut journal = Journal::open(&data, folder.path()).unwrap();
        let more: Vec<_> = wishes.into_iter().chain([wish("d", "key")]).collect();
        let again = journal.decide(&more, || seeds.next().unwrap()).unwrap();
        assert_eq!(&again[..3], &decided[..]);
        assert_eq!((again[3].name.as_str(), again[3].seed), ("key-2", 4));
        assert_eq!(journal.rename(&again[3], "key").unwrap().name, "key-3");
        // A line that is gone keeps its name only if it was drawn.
        std::fs::write(folder.path().join("potion-2.png"), "drawn").unwrap();
        journal.release(&more[3..]);
        let names: Vec<_> = journal
            .decide(&[wish("e", "potion"), wish("f", "key")], || 9)
            .unwrap()
            .into_iter()
            .map(|d| d.name)
            .collect();
        assert_eq!(names, ["potion-3", "key"]);
    }

    #[test]
    fn a_name_that_was_given_again_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(".items.batch");
        let run = |wishes: &[Wish]| {
            let mut journal = Journal::open(&data, folder.path()).unwrap();
            journal.release(wishes);
            let decided = journal.decide(wishes, || 1).unwrap();
            decided.into_iter().map(|decision| decision.name).collect::<Vec<_>>()
        };
        let [a, b, c] = ["a", "b", "c"].map(|key| wish(key, "x"));
        assert_eq!(run(std::slice::from_ref(&a)), ["x"]);
        assert_eq!(run(std::slice::from_ref(&b)), ["x"], "a is gone and was never drawn");
        assert_eq!(run(&[b.clone(), c.clone()]), ["x", "x-2"]);
        assert_eq!(run(&[a, b, c]), ["x-3", "x", "x-2"], "a comes back");
    }

    #[test]
    fn the_palette_of_a_batch_stays() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(".items.batch");
        let keep = |colors| Journal::open(&data, folder.path()).unwrap().keep_joint_palette(colors);
        keep(Some(12)).unwrap();
        keep(Some(12)).unwrap();
        for (other, expected) in [(None, "it without --joint-palette"), (Some(8), "it with --joint-palette 8")] {
            let error = keep(other).unwrap_err().to_string();
            assert!(error.contains("was begun with --joint-palette 12") && error.contains(expected), "{error}");
        }
    }
}
