//! CLIP's own vocabulary of 49,408 tokens, for checkpoints that come without tokenizer files.
//!
//! The merges are OpenAI's (`clip_merges.txt`, licence beside it); the order of the vocabulary is that of CLIP's
//! `simple_tokenizer.py`, and the special tokens are those of SDXL base's tokenizer folders.

use std::sync::OnceLock;

use tokenizers::AddedToken;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::files::{SpecialTokens, split_merge};
use super::{BEGIN, END, Tokenizer};
use crate::Error;

/// Tokens of the standard vocabulary: an encoder with so many is CLIP's.
pub(crate) const STANDARD_VOCAB_SIZE: usize = 49_408;

const MERGES: &str = include_str!("clip_merges.txt");
const NAME: &str = "CLIP's standard vocabulary";

/// What fills the rest of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardPad {
    /// `<|endoftext|>`, as SDXL's first encoder was trained.
    EndOfText,
    /// `!`, which has id 0, as SDXL's second encoder was trained.
    Zero,
}

impl Tokenizer {
    /// The tokenizer of SDXL base's first or second encoder, with windows of `max_tokens`.
    ///
    /// The vocabulary is built once per process and copied from then on.
    pub(crate) fn standard(pad: StandardPad, max_tokens: usize) -> Result<Self, Error> {
        static MODEL: OnceLock<BPE> = OnceLock::new();

        let special = special_tokens(pad);
        let model = match MODEL.get() {
            Some(model) => model.clone(),
            None => {
                let error = |reason: String| Error::Tokenizer { folder: NAME.to_owned(), reason };
                let (vocab, merges) = vocabulary().map_err(error)?;
                let model = Self::model(vocab, merges, &special).map_err(|reason| error(reason.to_string()))?;
                MODEL.get_or_init(|| model).clone()
            }
        };
        Self::build(model, &special, NAME.to_owned(), max_tokens)
    }
}

/// Special tokens as in SDXL base's files, which find them in whatever case they are written.
fn special_tokens(pad: StandardPad) -> SpecialTokens {
    let token = |content: &str| AddedToken::from(content, true).normalized(true);
    let pad = match pad {
        StandardPad::EndOfText => END,
        StandardPad::Zero => "!",
    };
    SpecialTokens {
        bos: token(BEGIN),
        eos: token(END),
        unk: token(END),
        pad: AddedToken::from(pad, true),
        others: Vec::new(),
    }
}

/// Bytes, bytes that end a word, merges, begin and end token, numbered in this order.
fn vocabulary() -> Result<(Vocab, Merges), String> {
    let merges = MERGES
        .lines()
        .map(|line| split_merge(line).ok_or_else(|| format!("{line:?} is no merge")))
        .collect::<Result<Merges, _>>()?;
    let bytes = byte_letters();
    let ending = bytes.iter().map(|letter| format!("{letter}</w>"));
    let tokens = bytes.iter().map(char::to_string).chain(ending);
    let tokens = tokens.chain(merges.iter().map(|(left, right)| format!("{left}{right}")));
    let tokens = tokens.chain([BEGIN.to_owned(), END.to_owned()]);
    Ok((tokens.zip(0..).collect(), merges))
}

/// The letter that stands for each byte: its own where that is printable, one from U+0100 on where it is not. Printable
/// ones come first.
fn byte_letters() -> Vec<char> {
    let printable = || ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    let others = 256 - printable().count() as u32;
    printable().chain((0..others).filter_map(|n| char::from_u32(0x100 + n))).collect()
}
