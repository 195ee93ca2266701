//! From a prompt to what the UNet attends to: two tokenizers, two text encoders.

use candle_core::{D, DType, Device, Tensor};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::clip::ClipTextModel;
use crate::tokenizer::{Tokenizer, Tokens};

/// Both text encoders with their tokenizers.
#[derive(Debug)]
pub(crate) struct TextEncoders {
    first: (Tokenizer, ClipTextModel),
    second: (Tokenizer, ClipTextModel),
}

/// A prompt as the UNet is told it.
#[derive(Clone, Debug)]
pub struct EncodedPrompt {
    /// Token ids of the first and the second encoder, begin, end and padding tokens included.
    pub ids: [Vec<u32>; 2],
    /// The last but one hidden states of both encoders side by side: (1, tokens, context channels).
    pub hidden: Tensor,
    /// The second encoder's summary: (1, pooled channels).
    pub pooled: Tensor,
}

impl EncodedPrompt {
    /// The encoding that stands for no prompt in models with `force_zeros_for_empty_prompt`.
    pub(crate) fn zeros_like(&self) -> Result<Self, Error> {
        Ok(Self { ids: self.ids.clone(), hidden: self.hidden.zeros_like()?, pooled: self.pooled.zeros_like()? })
    }
}

impl TextEncoders {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> Result<Self, Error> {
        let load = |folder: &str, component: &'static str, with_projection: bool| {
            let model = ClipTextModel::load(source, component, with_projection, device, dtype)?;
            let tokenizer = Tokenizer::load(source, folder, model.max_tokens())?;
            if tokenizer.max_id() as usize >= model.vocab_size() {
                return Err(Error::Tokenizer {
                    folder: source.display(folder),
                    reason: format!(
                        "its largest id is {}, but {component} knows only {} tokens: they belong to different models",
                        tokenizer.max_id(),
                        model.vocab_size()
                    ),
                });
            }
            Ok((tokenizer, model))
        };
        let encoders = Self {
            first: load("tokenizer", "text_encoder", false)?,
            second: load("tokenizer_2", "text_encoder_2", true)?,
        };
        let (first, second) = (encoders.first.0.max_tokens(), encoders.second.0.max_tokens());
        if first != second {
            return Err(Error::Tokenizer {
                folder: source.display("tokenizer_2"),
                reason: format!("it reads {second} tokens, the first one {first}: SDXL needs the same number"),
            });
        }
        Ok(encoders)
    }

    /// Channels of [`EncodedPrompt::hidden`].
    pub(crate) fn hidden_channels(&self) -> usize {
        self.first.1.hidden_size() + self.second.1.hidden_size()
    }

    /// Channels of [`EncodedPrompt::pooled`].
    pub(crate) fn pooled_channels(&self) -> usize {
        self.second.1.projection_size()
    }

    /// How many tokens of the prompt are not read by one of the encoders.
    pub(crate) fn tokens_cut_off(&self, prompt: &str) -> Result<usize, Error> {
        let cut_off = |tokenizer: &Tokenizer| -> Result<usize, Error> {
            Ok(tokenizer.encode(prompt)?.words.saturating_sub(tokenizer.max_words()))
        };
        Ok(cut_off(&self.first.0)?.max(cut_off(&self.second.0)?))
    }

    pub(crate) fn encode(&self, prompt: &str) -> Result<EncodedPrompt, Error> {
        let encode = |(tokenizer, model): &(Tokenizer, ClipTextModel)| -> Result<_, Error> {
            let Tokens { ids, words } = tokenizer.encode(prompt)?;
            if words > tokenizer.max_words() {
                tracing::warn!(words, read = tokenizer.max_words(), "the end of the prompt is not read");
            }
            let encoded = model.encode(&ids)?;
            Ok((ids, encoded))
        };
        let (first_ids, first) = encode(&self.first)?;
        let (second_ids, second) = encode(&self.second)?;
        let hidden = Tensor::cat(&[first.hidden, second.hidden], D::Minus1)?;
        let pooled =
            second.pooled.ok_or_else(|| Error::Input("the second text encoder has no projection".to_owned()))?;
        Ok(EncodedPrompt { ids: [first_ids, second_ids], hidden, pooled })
    }
}
