"""A CLIP-style byte-pair tokenizer of 2,048 tokens, trained on the captions.

Its files (`vocab.json`, `merges.txt` and the two json files beside them) are what `transformers.CLIPTokenizer` and
our Rust tokenizer read. Order as in CLIP: 256 bytes, 256 bytes at a word's end, merges, `<|startoftext|>`,
`<|endoftext|>`. The end token has the last id: transformers pools at the largest id when `eos_token_id` is 2.
"""

import json
import os

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 2048
LENGTH = 32
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
# CLIP's own pattern, with the special tokens left out: captions never hold them.
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def _pipeline(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def _bytes():
    """GPT-2's printable stand-ins for the 256 bytes, in CLIP's order."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]


class CaptionTokenizer:
    def __init__(self, vocabulary, merges):
        self.vocabulary, self.merges = vocabulary, merges
        self.bos, self.eos = vocabulary[BOS], vocabulary[EOS]
        self.inner = _pipeline(models.BPE(vocab=vocabulary, merges=merges, unk_token=EOS, end_of_word_suffix="</w>"))

    @classmethod
    def train(cls, captions):
        learner = _pipeline(models.BPE(end_of_word_suffix="</w>"))
        learner.train_from_iterator(captions, trainers.BpeTrainer(
            vocab_size=VOCABULARY, end_of_word_suffix="</w>", initial_alphabet=_bytes(), show_progress=False))
        merges = [tuple(m) for m in json.loads(learner.to_str())["model"]["merges"]]
        tokens = _bytes() + [b + "</w>" for b in _bytes()]
        seen = set(tokens)
        kept = []
        for a, b in merges:
            if len(tokens) == VOCABULARY - 2:
                break
            if a + b not in seen and a in seen and b in seen:
                seen.add(a + b), tokens.append(a + b), kept.append((a, b))
        tokens += [BOS, EOS]
        return cls({t: i for i, t in enumerate(tokens)}, kept)

    def encode(self, caption):
        """LENGTH ids: begin, at most LENGTH - 2 tokens, end, padded with the end token."""
        ids = self.inner.encode(caption).ids[:LENGTH - 2]
        return [self.bos, *ids, self.eos] + [self.eos] * (LENGTH - 2 - len(ids))

    def save(self, folder):
        """Writes `tokenizer` (pads with the end token) and `tokenizer_2` (pads with "!", id 0), as SDXL has them."""
        for name, pad in (("tokenizer", EOS), ("tokenizer_2", "!")):
            path = os.path.join(folder, name)
            os.makedirs(path, exist_ok=True)
            with open(os.path.join(path, "vocab.json"), "w", encoding="utf-8") as f:
                json.dump(self.vocabulary, f, ensure_ascii=False)
            with open(os.path.join(path, "merges.txt"), "w", encoding="utf-8") as f:
                f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in self.merges))
            special = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": pad}
            with open(os.path.join(path, "special_tokens_map.json"), "w") as f:
                json.dump(special, f, indent=2)
            with open(os.path.join(path, "tokenizer_config.json"), "w") as f:
                json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True,
                           "add_prefix_space": False, **special}, f, indent=2)
