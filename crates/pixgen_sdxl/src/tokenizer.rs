//! CLIP's byte-pair tokenizer, as transformers' fast `CLIPTokenizer` builds it, for any vocabulary.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::{BPE, BpeBuilder, Merges, Vocab};
use tokenizers::normalizers::{
    Lowercase, NFC, NormalizerWrapper, Replace, Sequence as Normalizers, replace::ReplacePattern,
};
use tokenizers::pre_tokenizers::{
    PreTokenizerWrapper, byte_level::ByteLevel, sequence::Sequence as PreTokenizers, split::Split, split::SplitPattern,
};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use crate::Error;
use crate::checkpoint::Checkpoint;

/// How CLIP cuts a text into words before it merges bytes.
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
const BEGIN: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Turns prompts into token ids of a fixed length.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    folder: String,
    bos: u32,
    eos: u32,
    pad: u32,
    max_tokens: usize,
}

/// The token ids of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Begin token, words, end token, padding: always the tokenizer's length.
    pub(crate) ids: Vec<u32>,
    /// Tokens of the prompt's words, of which those above [`Tokenizer::max_words`] were cut off.
    pub(crate) words: usize,
}

impl Tokenizer {
    /// Loads the folder `tokenizer` or `tokenizer_2`; `max_tokens` is what the text encoder can read.
    pub(crate) fn load(source: &Checkpoint, folder: &str, max_tokens: usize) -> Result<Self, Error> {
        let error = |reason: String| Error::Tokenizer { folder: source.display(folder), reason };
        let files = Files::read(source, folder)?;
        let special = files.special_tokens();

        let model = BpeBuilder::new()
            .vocab_and_merges(files.vocab, files.merges)
            .unk_token(special.unk.content.clone())
            .end_of_word_suffix("</w>".to_owned())
            .build()
            .map_err(|reason| error(reason.to_string()))?;
        let mut tokenizer = Self::pipeline(model).map_err(|reason| error(reason.to_string()))?;
        tokenizer
            .add_special_tokens(special.all().cloned().collect::<Vec<_>>())
            .map_err(|reason| error(reason.to_string()))?;

        let id = |token: &AddedToken| {
            let id = tokenizer.token_to_id(&token.content);
            id.ok_or_else(|| error(format!("its vocabulary lacks the special token {}", token.content)))
        };
        let (bos, eos, pad) = (id(&special.bos)?, id(&special.eos)?, id(&special.pad)?);
        // Files without a limit say 10³⁰.
        let max_tokens = match files.config.model_max_length {
            Some(limit) if limit < max_tokens as f64 => limit as usize,
            _ => max_tokens,
        };
        if max_tokens < 3 {
            return Err(error(format!("model_max_length is {max_tokens}, expected at least 3")));
        }
        Ok(Self { tokenizer, folder: source.display(folder), bos, eos, pad, max_tokens })
    }

    fn pipeline(model: BPE) -> tokenizers::Result<tokenizers::Tokenizer> {
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        let normalizers: Vec<NormalizerWrapper> =
            vec![NFC.into(), Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ")?.into(), Lowercase.into()];
        tokenizer.with_normalizer(Some(Normalizers::new(normalizers)))?;
        let words = Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Removed, true)?;
        let pre_tokenizers: Vec<PreTokenizerWrapper> = vec![words.into(), ByteLevel::new(false, true, true).into()];
        tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(pre_tokenizers)));
        Ok(tokenizer)
    }

    /// Length of every id sequence.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How many word tokens fit between the begin and the end token.
    pub(crate) fn max_words(&self) -> usize {
        self.max_tokens - 2
    }

    /// The largest id that [`Tokenizer::encode`] can return.
    pub(crate) fn max_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).values().copied().max().unwrap_or_default()
    }

    /// Token ids of a prompt, cut off or padded to the tokenizer's length.
    pub(crate) fn encode(&self, prompt: &str) -> Result<Tokens, Error> {
        let encoding = self
            .tokenizer
            .encode_fast(prompt, false)
            .map_err(|reason| Error::Tokenizer { folder: self.folder.clone(), reason: reason.to_string() })?;
        let words = encoding.get_ids();
        let mut ids = Vec::with_capacity(self.max_tokens);
        ids.push(self.bos);
        ids.extend(words.iter().take(self.max_words()));
        ids.push(self.eos);
        ids.resize(self.max_tokens, self.pad);
        Ok(Tokens { ids, words: words.len() })
    }
}

/// The files of a tokenizer folder.
struct Files {
    vocab: Vocab,
    merges: Merges,
    config: TokenizerConfig,
    special_tokens_map: HashMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    model_max_length: Option<f64>,
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
    fn read(source: &Checkpoint, folder: &str) -> Result<Self, Error> {
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

    fn special_tokens(&self) -> SpecialTokens {
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

fn split_merge(line: &str) -> Option<(String, String)> {
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

struct SpecialTokens {
    bos: AddedToken,
    eos: AddedToken,
    unk: AddedToken,
    pad: AddedToken,
    others: Vec<AddedToken>,
}

impl SpecialTokens {
    /// All of them: each is found in a prompt as one token, which is how CLIP's second tokenizer turns `!` into padding.
    fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.others.iter().chain([&self.bos, &self.eos, &self.unk, &self.pad])
    }
}
