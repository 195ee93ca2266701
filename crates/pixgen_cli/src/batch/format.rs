//! The files of prompts: text with one prompt a line, CSV, or one JSON object a line.

use std::io::Read;
use std::path::Path;

use pixgen_api::{Kind, MAX_COUNT};
use serde_json::Value;

use crate::exit::{OrUsage, usage};

/// Longest file, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most sprites of one batch.
pub(crate) const MAX_ITEMS: usize = 100_000;

/// How a file of prompts is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One prompt a line, options behind `|`, comments behind `#` at the start of a line.
    Text,
    /// A table with a head line; the column `prompt` is needed, the others are options.
    Csv,
    /// One object a line; the key `prompt` is needed, the others are options.
    Jsonl,
}

impl Format {
    /// The format that a file's name says; text if it says nothing.
    pub(crate) fn of(path: &Path) -> Self {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("csv") => Self::Csv,
            Some("jsonl" | "ndjson") => Self::Jsonl,
            _ => Self::Text,
        }
    }
}

/// One line of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// Line of the file, from 1.
    pub(crate) line: u64,
    /// What to draw.
    pub(crate) prompt: String,
    /// What the sprite shows; `None` takes the batch's kind.
    pub(crate) kind: Option<Kind>,
    /// The file's name; `None` makes one of the prompt.
    pub(crate) name: Option<String>,
    /// How many sprites.
    pub(crate) count: u32,
    /// Options by the names of the flags.
    pub(crate) options: Vec<(String, String)>,
}

impl Entry {
    fn new(line: u64, prompt: &str) -> anyhow::Result<Self> {
        let prompt = prompt.trim().to_owned();
        if prompt.is_empty() {
            return Err(usage("the prompt is empty"));
        }
        Ok(Self { line, prompt, count: 1, ..Self::default() })
    }

    fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let value = value.trim();
        match key.trim().to_lowercase().as_str() {
            "kind" => self.kind = Some(value.parse().map_err(usage)?),
            "name" => {
                let name = value.strip_suffix(".png").unwrap_or(value);
                let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
                if !is_plain || name.len() > 200 {
                    return Err(usage(format!("\"{value}\" is no name of a file: leave folders out")));
                }
                self.name = Some(name.to_owned());
            }
            "count" => {
                let count = value.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
                self.count = count.ok_or_else(|| usage(format!("count is {value}, expected 1 to {MAX_COUNT}")))?;
            }
            // What a list of failures says about a line; the list is a batch too.
            "error" => {}
            _ => self.options.push((key.trim().to_owned(), value.to_owned())),
        }
        Ok(())
    }
}

/// Reads a file of prompts; `-` is stdin.
///
/// # Errors
/// When it cannot be read, holds nothing, or a line is wrong: the line is named.
pub(crate) fn read(path: &Path, format: Option<Format>) -> anyhow::Result<Vec<Entry>> {
    let mut bytes = Vec::new();
    let reading = |reader: &mut dyn Read, bytes: &mut Vec<u8>| reader.take(MAX_FILE_BYTES + 1).read_to_end(bytes);
    let read = if path == Path::new("-") {
        reading(&mut std::io::stdin().lock(), &mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| reading(&mut file, &mut bytes))
    };
    let place = path.display();
    if read.or_usage_in(&place)? as u64 > MAX_FILE_BYTES {
        return Err(usage(format!("{place} is larger than 64 MiB: is it a file of prompts?")));
    }
    let text = std::str::from_utf8(&bytes).or_usage_in(format!("{place} is no text in UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = match format.unwrap_or_else(|| Format::of(path)) {
        Format::Text => {
            each_line(
                text,
                |number, line| {
                    if line.starts_with('#') { Ok(None) } else { text_line(number, line).map(Some) }
                },
            )
        }
        Format::Jsonl => each_line(text, |number, line| json_line(number, line).map(Some)),
        Format::Csv => csv_lines(text),
    };
    let entries = entries.or_usage_in(&place)?;
    let items: usize = entries.iter().map(|entry| entry.count as usize).sum();
    match items {
        0 => Err(usage(format!("{place} holds no prompt: write one a line"))),
        items if items > MAX_ITEMS => Err(usage(format!("{place} asks for {items} sprites, at most {MAX_ITEMS}"))),
        _ => Ok(entries),
    }
}

fn each_line(text: &str, read: impl Fn(u64, &str) -> anyhow::Result<Option<Entry>>) -> anyhow::Result<Vec<Entry>> {
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| read(number, line).or_usage_in(format!("line {number}")))
        .filter_map(Result::transpose)
        .collect()
}

/// `a red potion | size=16 | seed=3 colors=8`
fn text_line(number: u64, line: &str) -> anyhow::Result<Entry> {
    let mut parts = line.split('|');
    let mut entry = Entry::new(number, parts.next().unwrap_or_default())?;
    for part in parts {
        for (key, value) in pairs(part)? {
            entry.set(&key, &value)?;
        }
    }
    Ok(entry)
}

/// `key=value key=more words` as pairs: a word with `=` begins the next one.
fn pairs(part: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in part.split_whitespace() {
        let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c));
        match (word.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) if is_key(key) => pairs.push((key.to_owned(), value.to_owned())),
            (_, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            _ => return Err(usage(format!("found \"{word}\" behind |, expected key=value, as size=16"))),
        }
    }
    Ok(pairs)
}

fn json_line(number: u64, line: &str) -> anyhow::Result<Entry> {
    let Value::Object(fields) = serde_json::from_str(line).or_usage()? else {
        return Err(usage("found no object, expected {\"prompt\": \"a red potion\"}"));
    };
    let Some(Value::String(prompt)) = fields.get("prompt") else {
        return Err(usage("the key \"prompt\" is missing, or is no text"));
    };
    let mut entry = Entry::new(number, prompt)?;
    for (key, value) in fields.iter().filter(|(key, _)| *key != "prompt") {
        match value {
            Value::Null => {}
            Value::String(text) => entry.set(key, text)?,
            Value::Bool(_) | Value::Number(_) => entry.set(key, &value.to_string())?,
            Value::Array(_) | Value::Object(_) => {
                return Err(usage(format!("\"{key}\" is a list or an object, expected a text or a number")));
            }
        }
    }
    Ok(entry)
}

fn csv_lines(text: &str) -> anyhow::Result<Vec<Entry>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let head = reader.headers().or_usage()?.clone();
    let Some(prompt_column) = head.iter().position(|name| name.eq_ignore_ascii_case("prompt")) else {
        let found: Vec<_> = head.iter().collect();
        return Err(usage(format!("the head line is \"{}\", expected a column \"prompt\"", found.join(","))));
    };
    let mut entries = Vec::new();
    for record in reader.records() {
        let record = record.or_usage()?;
        let line = record.position().map_or(0, csv::Position::line);
        let read = || {
            let mut entry = Entry::new(line, record.get(prompt_column).unwrap_or_default())?;
            let cells = head.iter().zip(&record).enumerate();
            for (_, (key, value)) in cells.filter(|(column, (_, value))| *column != prompt_column && !value.is_empty())
            {
                entry.set(key, value)?;
            }
            Ok::<_, anyhow::Error>(entry)
        };
        entries.push(read().or_usage_in(format!("line {line}"))?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> anyhow::Result<Vec<Entry>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path, None)
    }

    fn expected() -> Vec<Entry> {
        let options = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let potion = Entry { prompt: "a red potion".into(), count: 1, ..Entry::default() };
        let wolf = Entry {
            prompt: "a wolf, howling".into(),
            kind: Some(Kind::Animal),
            name: Some("wolf".into()),
            count: 2,
            options: options(&[("size", "16"), ("negative_prompt", "a full moon")]),
            ..Entry::default()
        };
        vec![potion, wolf]
    }

    fn without_lines(entries: Vec<Entry>) -> Vec<Entry> {
        entries.into_iter().map(|entry| Entry { line: 0, ..entry }).collect()
    }

    #[test]
    fn three_formats_say_the_same() {
        let text = "# things\n\na red potion\r\n  a wolf, howling | kind=animal name=wolf.png | count=2 size=16 | \
                    negative_prompt=a full moon\n";
        let csv = "prompt,kind,name,count,size,negative_prompt\n# things\na red potion,,,,,\n\"a wolf, \
                   howling\",animal,wolf,2,16,a full moon\n";
        let json = "{\"prompt\": \"a red potion\", \"seed\": null}\n\n{\"prompt\": \"a wolf, howling\", \"kind\": \
                    \"animal\", \"name\": \"wolf\", \"count\": 2, \"size\": 16, \"negative_prompt\": \"a full moon\", \
                    \"error\": \"the disk was full\"}\n";
        for (name, text) in [("a.txt", text), ("a.csv", csv), ("a.jsonl", json), ("a", &format!("\u{feff}{text}"))] {
            let mut entries = without_lines(read_text(name, text).unwrap());
            entries[1].options.sort_by(|a, b| b.cmp(a)); // JSON objects are sorted by key
            assert_eq!(entries, expected(), "{name}");
        }
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (name, text, expected) in [
            ("a.txt", "x\n| size=16", "a.txt: line 2: the prompt is empty"),
            ("a.txt", "x | big", "line 1: found \"big\" behind |, expected key=value"),
            ("a.txt", "x | kind=spaceship", "line 1: \"spaceship\" is no kind"),
            ("a.txt", "x | name=../y", "line 1: \"../y\" is no name of a file"),
            ("a.txt", "x | count=65", "count is 65, expected 1 to 64"),
            ("a.txt", "# nothing\n", "holds no prompt"),
            ("a.csv", "text,size\nx,16\n", "the head line is \"text,size\", expected a column \"prompt\""),
            ("a.csv", "prompt,size\nx\n", "fields"),
            ("a.jsonl", "{}\n", "line 1: the key \"prompt\" is missing"),
            ("a.jsonl", "{\"prompt\": \"x\"}\n[1]\n", "line 2: found no object"),
            ("a.jsonl", "{\"prompt\": \"x\", \"size\": [1]}", "\"size\" is a list"),
            ("a.jsonl", "{\"prompt\"", "line 1: EOF"),
        ] {
            let error = read_text(name, text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
