//! The files of a tokenizer folder: a vocabulary, merges and special tokens, as transformers writes them.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;
use tokenizers::models::bpe::{Merges, Vocab};

use super::{BEGIN, END};
use crate::Error;
use crate::checkpoint::Checkpoint;

/// The files of a tokenizer folder.
pub(super) struct Files {
    pub(super) vocab: Vocab,
    pub(super) merges: Merges,
    pub(super) config: TokenizerConfig,
    pub(super) special_tokens_map: HashMap<String, Value>,
}

#[derive(Default, Deserialize)]
pub(super) struct TokenizerConfig {
    #[serde(default)]
    pub(super) model_max_length: Option<f64>,
    bos_token: Option<Value>,
    eos_token: Option<Value>,
    unk_token: Option<Value>,
    pad_token: Option<Value>,
    /// Id to token.
    #[serde(default)]
    added_tokens_decoder: BTreeMap<String, Value>,
}

/// The part of `tokenizer.json` that the rest follows from.
#[derive(Deserialize)]
struct TokenizerJson {
    model: BpeJson,
}

#[derive(Deserialize)]
struct BpeJson {
    vocab: HashMap<String, u32>,
    merges: Vec<MergeJson>,
}

/// Old files write a merge as one string, new ones as two.
#[derive(Deserialize)]
#[serde(untagged)]
enum MergeJson {
    Pair(String, String),
    Line(String),
}

impl Files {
    pub(super) fn read(source: &Checkpoint, folder: &str) -> Result<Self, Error> {
        let path = |name: &str| format!("{folder}/{name}");
        let error = |reason: String| Error::Tokenizer { folder: source.display(folder), reason };
        let bad_merge = |line: &str| error(format!("the merge {line:?} is not two tokens with a space between them"));
        let (vocab, merges): (HashMap<String, u32>, Merges) = if source.contains(&path("vocab.json")) {
            let merges = source.read(&path("merges.txt"), "it belongs to vocab.json")?;
            let text = std::str::from_utf8(&merges).map_err(|_| error("merges.txt is not UTF-8".to_owned()))?;
            let merges = text
                .lines()
                .filter(|line| !line.starts_with("#version") && !line.trim().is_empty())
                .map(|line| split_merge(line).ok_or_else(|| bad_merge(line)))
                .collect::<Result<_, _>>()?;
            (source.json(&path("vocab.json"))?, merges)
        } else if let Some(json) = source.json_optional::<TokenizerJson>(&path("tokenizer.json"))? {
            let merges = json.model.merges.into_iter().map(|merge| match merge {
                MergeJson::Pair(left, right) => Ok((left, right)),
                MergeJson::Line(line) => split_merge(&line).ok_or_else(|| bad_merge(&line)),
            });
            (json.model.vocab, merges.collect::<Result<_, _>>()?)
        } else {
            return Err(Error::MissingFile {
                file: source.display(&path("vocab.json")),
                expected: "a tokenizer has vocab.json and merges.txt, or tokenizer.json".to_owned(),
            });
        };
        Ok(Self {
            vocab: vocab.into_iter().collect(),
            merges,
            config: source.json_optional(&path("tokenizer_config.json"))?.unwrap_or_default(),
            special_tokens_map: source.json_optional(&path("special_tokens_map.json"))?.unwrap_or_default(),
        })
    }

    pub(super) fn special_tokens(&self) -> SpecialTokens {
        let config = &self.config;
        let token = |name: &str, configured: &Option<Value>, default: &str| {
            let value = configured.as_ref().or_else(|| self.special_tokens_map.get(name));
            value.and_then(special_token).unwrap_or_else(|| AddedToken::from(default, true))
        };
        SpecialTokens {
            bos: token("bos_token", &config.bos_token, BEGIN),
            eos: token("eos_token", &config.eos_token, END),
            unk: token("unk_token", &config.unk_token, END),
            pad: token("pad_token", &config.pad_token, END),
            // They are listed under the id that they already have in the vocabulary; what is not in there has
            // no embedding, and is ignored.
            others: config
                .added_tokens_decoder
                .values()
                .filter_map(special_token)
                .filter(|token| self.vocab.contains_key(&token.content))
                .collect(),
        }
    }
}

pub(super) fn split_merge(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(' ')?;
    let right = right.trim_end();
    (!left.is_empty() && !right.is_empty() && !right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
}

/// A special token is a string, or an object with options.
fn special_token(value: &Value) -> Option<AddedToken> {
    if let Some(content) = value.as_str() {
        return Some(AddedToken::from(content, true));
    }
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    Some(
        AddedToken::from(value.get("content")?.as_str()?, true)
            .single_word(flag("single_word"))
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .normalized(flag("normalized")),
    )
}

pub(super) struct SpecialTokens {
    pub(super) bos: AddedToken,
    pub(super) eos: AddedToken,
    pub(super) unk: AddedToken,
    pub(super) pad: AddedToken,
    pub(super) others: Vec<AddedToken>,
}

impl SpecialTokens {
    /// All of them: each is found in a prompt as one token, which is how CLIP's second tokenizer turns `!` into padding.
    pub(super) fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.others.iter().chain([&self.bos, &self.eos, &self.unk, &self.pad])
    }
}
