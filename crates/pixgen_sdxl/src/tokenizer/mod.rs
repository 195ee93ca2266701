//! CLIP's byte-pair tokenizer, as transformers' fast `CLIPTokenizer` builds it, for any vocabulary.

mod files;
mod standard;

#[cfg(test)]
mod tests;

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
use files::{Files, SpecialTokens};
pub(crate) use standard::{STANDARD_VOCAB_SIZE, StandardPad};

/// How CLIP cuts a text into words before it merges bytes.
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
const BEGIN: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Turns prompts into token ids.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    /// Where it came from, for errors.
    folder: String,
    bos: u32,
    eos: u32,
    pad: u32,
    max_tokens: usize,
}

impl Tokenizer {
    /// Whether the model has this tokenizer folder, complete or not.
    pub(crate) fn is_in(source: &Checkpoint, folder: &str) -> bool {
        ["vocab.json", "merges.txt", "tokenizer.json"].iter().any(|file| source.contains(&format!("{folder}/{file}")))
    }

    /// Loads the folder `tokenizer` or `tokenizer_2`; `max_tokens` is what the text encoder can read.
    pub(crate) fn load(source: &Checkpoint, folder: &str, max_tokens: usize) -> Result<Self, Error> {
        let files = Files::read(source, folder)?;
        // Files without a limit say 10³⁰.
        let max_tokens = match files.config.model_max_length {
            Some(limit) if limit < max_tokens as f64 => limit as usize,
            _ => max_tokens,
        };
        let special = files.special_tokens();
        let name = source.display(folder);
        let error = |reason: String| Error::Tokenizer { folder: name.clone(), reason };
        let model = Self::model(files.vocab, files.merges, &special).map_err(|reason| error(reason.to_string()))?;
        Self::build(model, &special, name, max_tokens)
    }

    fn model(vocab: Vocab, merges: Merges, special: &SpecialTokens) -> tokenizers::Result<BPE> {
        BpeBuilder::new()
            .vocab_and_merges(vocab, merges)
            .unk_token(special.unk.content.clone())
            .end_of_word_suffix("</w>".to_owned())
            .build()
    }

    fn build(model: BPE, special: &SpecialTokens, folder: String, max_tokens: usize) -> Result<Self, Error> {
        let error = |reason: String| Error::Tokenizer { folder: folder.clone(), reason };
        let mut tokenizer = Self::pipeline(model).map_err(|reason| error(reason.to_string()))?;
        tokenizer
            .add_special_tokens(special.all().cloned().collect::<Vec<_>>())
            .map_err(|reason| error(reason.to_string()))?;
        let id = |token: &AddedToken| {
            let id = tokenizer.token_to_id(&token.content);
            id.ok_or_else(|| error(format!("its vocabulary lacks the special token {}", token.content)))
        };
        let (bos, eos, pad) = (id(&special.bos)?, id(&special.eos)?, id(&special.pad)?);
        if max_tokens < 3 {
            return Err(error(format!("model_max_length is {max_tokens}, expected at least 3")));
        }
        Ok(Self { tokenizer, folder, bos, eos, pad, max_tokens })
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

    /// Length of a window: what the text encoder reads at once.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How many word tokens fit into a window, between the begin and the end token.
    pub(crate) fn max_words(&self) -> usize {
        self.max_tokens - 2
    }

    /// The largest id that [`Tokenizer::words`] can return.
    pub(crate) fn max_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).values().copied().max().unwrap_or_default()
    }

    /// Token ids of a text of any length, without begin, end and padding.
    pub(crate) fn words(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|reason| Error::Tokenizer { folder: self.folder.clone(), reason: reason.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Begin token, as many words as fit, end token, padding: always [`Tokenizer::max_tokens`] ids.
    pub(crate) fn window(&self, words: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.max_tokens);
        ids.push(self.bos);
        ids.extend(words.into_iter().take(self.max_words()));
        ids.push(self.eos);
        ids.resize(self.max_tokens, self.pad);
        ids
    }
}
