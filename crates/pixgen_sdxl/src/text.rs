//! From a prompt to what the UNet attends to: two tokenizers, two text encoders, windows one after another.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{D, DType, Device, Tensor};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::clip::ClipTextModel;
use crate::params::Params;
use crate::prompt;
use crate::tokenizer::{STANDARD_VOCAB_SIZE, StandardPad, Tokenizer};

/// How prompts become what the UNet attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptOptions {
    /// Which signs in a prompt mean something.
    pub syntax: PromptSyntax,
    /// How many windows of the text encoders (75 tokens each in SDXL, begin and end not counted) a prompt may fill, 1
    /// to [`PromptOptions::MAX_CHUNKS`]; what does not fit is not read. With 1, a long prompt is cut off as diffusers
    /// does.
    pub max_chunks: usize,
    /// How many layers before the last but one the prompt's hidden states are taken: 0 is what SDXL was trained with,
    /// and the embeddings are the end. The negative prompt is always read with 0. Both as in diffusers.
    pub clip_skip: usize,
}

/// Which signs in a prompt mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptSyntax {
    /// Those of stable-diffusion-webui: `(text)` weighs 1.1 times, `(text:1.5)` 1.5 times, `[text]` 1 / 1.1 times as
    /// much; `\(` is the bracket itself; `BREAK` begins a new window. Brackets nest, and their weights multiply, up to
    /// ±100. A bracket that is never closed reaches to the end, one that was never opened is text. Prompt editing
    /// (`[from:to:when]`), alternation and `AND` are not known.
    ///
    /// The weights work as in ComfyUI: w moves a token's hidden state to w times its distance from the one that an
    /// empty prompt has at the same place. The pooled text is not weighted. A prompt without these signs that fits one
    /// window is encoded exactly as with [`PromptSyntax::Plain`].
    #[default]
    Weighted,
    /// None: every sign is text, as in diffusers.
    Plain,
}

impl PromptOptions {
    /// The most windows that a prompt may fill: the UNet's work grows with them.
    pub const MAX_CHUNKS: usize = 16;

    /// Reads a prompt exactly as diffusers does.
    #[must_use]
    pub fn plain() -> Self {
        Self { syntax: PromptSyntax::Plain, max_chunks: 1, clip_skip: 0 }
    }
}

impl Default for PromptOptions {
    fn default() -> Self {
        Self { syntax: PromptSyntax::Weighted, max_chunks: Self::MAX_CHUNKS, clip_skip: 0 }
    }
}

/// Both text encoders with their tokenizers.
#[derive(Debug)]
pub(crate) struct TextEncoders {
    first: TextEncoder,
    second: TextEncoder,
    /// What was encoded last, with the layers skipped: people draw a prompt many times, and always with the same
    /// negative one.
    recent: Mutex<VecDeque<(Chunks, usize, EncodedPrompt)>>,
}

/// Prompts that are remembered, 0.6 MB each with SDXL in half precision.
const REMEMBERED: usize = 16;

#[derive(Debug)]
struct TextEncoder {
    tokenizer: Tokenizer,
    model: ClipTextModel,
}

/// A prompt as the UNet is told it.
#[derive(Clone, Debug)]
pub struct EncodedPrompt {
    /// Token ids of the first and the second encoder, begin, end and padding tokens of every window included.
    pub ids: [Vec<u32>; 2],
    /// Hidden states of both encoders side by side, windows one after another: (1, tokens, context channels).
    pub hidden: Tensor,
    /// The second encoder's summary of the first window: (1, pooled channels).
    pub pooled: Tensor,
}

impl EncodedPrompt {
    /// The encoding that stands for no prompt in models with `force_zeros_for_empty_prompt`.
    pub(crate) fn zeros_like(&self) -> Result<Self, Error> {
        Ok(Self { ids: self.ids.clone(), hidden: self.hidden.zeros_like()?, pooled: self.pooled.zeros_like()? })
    }
}

/// A prompt cut into windows, of which both encoders have the same number, at least one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunks {
    each: Vec<[Chunk; 2]>,
    /// Tokens at the end that are in no window.
    pub(crate) cut_off: usize,
}

/// The words of one window, begin and end token not included.
#[derive(Clone, Debug, Default, PartialEq)]
struct Chunk {
    words: Vec<u32>,
    /// One per word.
    weights: Vec<f32>,
}

impl Chunks {
    pub(crate) fn len(&self) -> usize {
        self.each.len()
    }

    /// With empty windows at the end, so that there are `count` at least.
    pub(crate) fn filled_up_to(mut self, count: usize) -> Self {
        let count = count.max(self.len());
        self.each.resize_with(count, Default::default);
        self
    }
}

impl TextEncoders {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> Result<Self, Error> {
        let encoders = Self {
            first: TextEncoder::load(source, "tokenizer", "text_encoder", false, device, dtype)?,
            second: TextEncoder::load(source, "tokenizer_2", "text_encoder_2", true, device, dtype)?,
            recent: Mutex::default(),
        };
        let (first, second) = (encoders.first.tokenizer.max_tokens(), encoders.second.tokenizer.max_tokens());
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
        self.first.model.hidden_size() + self.second.model.hidden_size()
    }

    /// Channels of [`EncodedPrompt::pooled`].
    pub(crate) fn pooled_channels(&self) -> usize {
        self.second.model.projection_size()
    }

    /// The weights of the first and the second encoder.
    pub(crate) fn params(&self) -> [&Params; 2] {
        [self.first.model.params(), self.second.model.params()]
    }

    /// Whether these encoders can follow the options.
    pub(crate) fn check(&self, options: &PromptOptions) -> Result<(), Error> {
        if !(1..=PromptOptions::MAX_CHUNKS).contains(&options.max_chunks) {
            return Err(Error::Input(format!(
                "max_chunks is {}, expected 1 to {}",
                options.max_chunks,
                PromptOptions::MAX_CHUNKS
            )));
        }
        let deepest = self.first.model.max_clip_skip().min(self.second.model.max_clip_skip());
        if options.clip_skip > deepest {
            return Err(Error::Input(format!(
                "clip_skip is {}, expected 0 to {deepest}: the text encoders have no more layers",
                options.clip_skip
            )));
        }
        Ok(())
    }

    /// Cuts a prompt into windows.
    pub(crate) fn read(&self, prompt: &str, options: &PromptOptions) -> Result<Chunks, Error> {
        self.check(options)?;
        let segments = match options.syntax {
            PromptSyntax::Weighted => prompt::parse(prompt),
            PromptSyntax::Plain => prompt::literal(prompt),
        };
        let room = self.first.tokenizer.max_words();
        let mut each = Vec::new();
        let mut cut_off = [0, 0];
        let last = segments.len() - 1;
        for (index, segment) in segments.iter().enumerate() {
            let words = [self.first.words(segment)?, self.second.words(segment)?];
            let longest = words[0].words.len().max(words[1].words.len());
            // A break is a new window even where nothing is between two; at the end it would be for nothing.
            let wanted = if longest == 0 && index == last && index > 0 { 0 } else { longest.div_ceil(room).max(1) };
            let count = wanted.min(options.max_chunks - each.len());
            for which in 0..count {
                each.push([0, 1].map(|encoder| words[encoder].part(which * room..(which + 1) * room)));
            }
            for (cut_off, words) in cut_off.iter_mut().zip(&words) {
                *cut_off += words.words.len().saturating_sub(count * room);
            }
        }
        Ok(Chunks { each, cut_off: cut_off[0].max(cut_off[1]) })
    }

    /// Encodes the windows of a prompt; `prepare` is called if they have not been encoded recently.
    pub(crate) fn encode(
        &self,
        chunks: &Chunks,
        clip_skip: usize,
        prepare: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<EncodedPrompt, Error> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(text, skip, _): &(Chunks, usize, EncodedPrompt)| text == chunks && *skip == clip_skip;
        {
            let mut recent = recent();
            if let Some(known) = recent.iter().position(is_it).and_then(|at| recent.remove(at)) {
                recent.push_front(known.clone());
                return Ok(known.2);
            }
        }
        prepare()?;
        let encoded = self.encode_anew(chunks, clip_skip)?;
        let mut recent = recent();
        recent.truncate(REMEMBERED - 1);
        recent.push_front((chunks.clone(), clip_skip, encoded.clone()));
        Ok(encoded)
    }

    /// Forgets what was encoded: the weights are about to change.
    pub(crate) fn forget(&mut self) {
        self.recent.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The same, whatever was encoded before.
    pub(crate) fn encode_anew(&self, chunks: &Chunks, clip_skip: usize) -> Result<EncodedPrompt, Error> {
        let (first, second) =
            (chunks.each.iter().map(|[first, _]| first), chunks.each.iter().map(|[_, second]| second));
        let (first_ids, first, _) = self.first.encode(first, clip_skip)?;
        let (second_ids, second, pooled) = self.second.encode(second, clip_skip)?;
        let hidden = Tensor::cat(&[first, second], D::Minus1)?;
        let pooled = pooled.ok_or_else(|| Error::Input("the second text encoder has no projection".to_owned()))?;
        Ok(EncodedPrompt { ids: [first_ids, second_ids], hidden, pooled })
    }
}

impl TextEncoder {
    fn load(
        source: &Checkpoint,
        folder: &str,
        component: &'static str,
        with_projection: bool,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, Error> {
        let model = ClipTextModel::load(source, component, with_projection, device, dtype)?;
        let tokenizer = if model.vocab_size() == STANDARD_VOCAB_SIZE && !Tokenizer::is_in(source, folder) {
            let pad = if with_projection { StandardPad::Zero } else { StandardPad::EndOfText };
            Tokenizer::standard(pad, model.max_tokens())?
        } else {
            Tokenizer::load(source, folder, model.max_tokens())?
        };
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
        Ok(Self { tokenizer, model })
    }

    /// Words of all fragments with their weights.
    fn words(&self, segment: &prompt::Segment) -> Result<Chunk, Error> {
        let mut all = Chunk::default();
        for fragment in segment {
            all.words.extend(self.tokenizer.words(&fragment.text)?);
            all.weights.resize(all.words.len(), fragment.weight);
        }
        Ok(all)
    }

    /// Token ids and hidden states of windows one after another, and the pooled output of the first.
    fn encode<'a>(
        &self,
        chunks: impl Iterator<Item = &'a Chunk>,
        clip_skip: usize,
    ) -> Result<(Vec<u32>, Tensor, Option<Tensor>), Error> {
        let nothing = self.tokenizer.window([]);
        let mut empty = None;
        let (mut ids, mut hidden, mut pooled) = (Vec::new(), Vec::new(), None);
        for (index, chunk) in chunks.enumerate() {
            let window = self.tokenizer.window(chunk.words.iter().copied());
            let encoded = self.model.encode(&window, clip_skip)?;
            if index == 0 {
                pooled = encoded.pooled;
            }
            hidden.push(if chunk.weights.iter().all(|weight| *weight == 1.0) {
                encoded.hidden
            } else {
                let empty = match &empty {
                    Some(empty) => empty,
                    None => empty.insert(self.model.encode(&nothing, clip_skip)?.hidden),
                };
                weigh(&encoded.hidden, empty, &chunk.weights)?
            });
            ids.extend(window);
        }
        Ok((ids, Tensor::cat(&hidden, 1)?, pooled))
    }
}

impl Chunk {
    /// As much as there is of a range of words.
    fn part(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.words.len());
        let range = range.start.min(end)..end;
        Self { words: self.words[range.clone()].to_vec(), weights: self.weights[range].to_vec() }
    }
}

/// ComfyUI's weighting: z_empty + (z - z_empty) · w, for z (1, tokens, channels) and the weights of the words, which
/// begin at the second token. Words of weight 1 stay as they are, to the last bit.
fn weigh(z: &Tensor, z_empty: &Tensor, weights: &[f32]) -> candle_core::Result<Tensor> {
    let tokens = z.dim(1)?;
    let mut surplus = vec![0f32; tokens];
    for (surplus, weight) in surplus.iter_mut().skip(1).zip(weights) {
        *surplus = weight - 1.0;
    }
    let surplus = Tensor::from_vec(surplus, (1, tokens, 1), z.device())?;
    let (wide, empty) = (z.to_dtype(DType::F32)?, z_empty.to_dtype(DType::F32)?);
    (&wide + (&wide - empty)?.broadcast_mul(&surplus)?)?.to_dtype(z.dtype())
}
