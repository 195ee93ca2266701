"""Builds the fixtures of the text tests from diffusers and transformers.

    python make_text_fixtures.py open_clip_torch-3.3.0-py3-none-any.whl

README.md says what must be there before. The wheel (`pip download --no-deps open_clip_torch==3.3.0`) holds OpenAI's file
of merges, from which the part that CLIP uses is written into the crate (`src/tokenizer/clip_merges.txt`). Writes, to
`text.json` and `text.safetensors`: token ids of CLIPTokenizer with it, encodings of prompts with emphasis and of many
windows by the tiny models, and runs of StableDiffusionXLPipeline with them.

ComfyUI is no package, so its weighting is written out here from what `comfy/sd1_clip.py` (ClipTokenWeightEncoder) says:
z_empty + (z - z_empty) * weight per token, where z_empty is the encoding of a window without words. The grammar is not
implemented here at all: each case says what its prompt means.
"""

import gzip
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from make_fixtures import BOS, EOS, write_old_tokenizer
from odd_prompts import MORE_PROMPTS, PROMPTS
from tiny_models import OUT, pipeline

MERGES = Path(__file__).parents[2] / "src" / "tokenizer" / "clip_merges.txt"
KNIGHT = "a brave knight with a silver sword and a red cape, "

# Model, prompt, what it means (segments between breaks, of texts with weights), and options other than the defaults.
CASES = [
    ("model_b", "a (blue:1.5) potion", [[("a ", 1), ("blue", 1.5), (" potion", 1)]], {}),
    (
        "model_b",
        "((old) wizard:0.5) [staff] (it:-1), (glow:0)!",
        [[("old", 0.55), (" wizard", 0.5), (" ", 1), ("staff", 1 / 1.1), (" ", 1), ("it", -1), (", ", 1), ("glow", 0), ("!", 1)]],
        {},
    ),
    ("model_b", KNIGHT * 3, [[(KNIGHT * 3, 1)]], {}),
    ("model_b", "BREAK a (red:1.2) BREAK BREAK tile BREAK", [[], [("a ", 1), ("red", 1.2)], [], [("tile", 1)], []], {}),
    ("model_b", f"({KNIGHT}:0.7) old {KNIGHT}", [[(KNIGHT, 0.7), (f" old {KNIGHT}", 1)]], {"max_chunks": 2}),
    ("model_b", "a [red] (cape:2)", [[("a ", 1), ("red", 1 / 1.1), (" ", 1), ("cape", 2)]], {"clip_skip": 1}),
    ("model_b", "a (red:1.2) BREAK cape", [[("a (red:1.2) BREAK cape", 1)]], {"syntax": "plain", "max_chunks": 1}),
    # The second tokenizer reads more tokens in these exclamation marks than the first.
    ("model_b", "it's glowing!!!!!!!!!!!!!!!!!!!!! BREAK (a:1.1)", [[("it's glowing!!!!!!!!!!!!!!!!!!!!!", 1)], [("a", 1.1)]], {}),
    ("model_a", r"(green slime:1.3), \(isometric\)", [[("green slime", 1.3), (", (isometric)", 1)]], {}),
    ("model_a", "mossy stone floor", [[("mossy stone floor", 1)]], {"clip_skip": 2}),
    ("model_a", f"({KNIGHT * 9}:1.1) wizard", [[(KNIGHT * 9, 1.1), (" wizard", 1)]], {"clip_skip": 1}),
]  # fmt: skip

# Model, numbers of two of the cases above (or a plain text, or none) as prompt and negative prompt, size, clip skip.
RUNS = [
    ("model_a", "a blue potion", "blurry", (16, 24), 1),
    ("model_a", 10, None, (24, 16), 1),
    ("model_b", 2, 0, (32, 48), 0),
    ("model_b", 0, 3, (48, 32), 0),
]


def standard_tokenizers(wheel):
    """Both tokenizers of SDXL base, from OpenAI's file."""
    with zipfile.ZipFile(wheel) as files:
        lines = gzip.decompress(files.read("open_clip/bpe_simple_vocab_16e6.txt.gz")).decode("utf-8").split("\n")
    used = lines[1 : 49152 - 256 - 2 + 1]
    MERGES.write_text("\n".join(used) + "\n", encoding="utf-8")
    merges = [tuple(line.split()) for line in used]
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge) for merge in merges), BOS, EOS]
    vocab = {token: i for i, token in enumerate(tokens)}
    assert len(vocab) == len(tokens) == 49408
    with tempfile.TemporaryDirectory() as folder:
        for which, pad in (("1", EOS), ("2", "!")):
            write_old_tokenizer(Path(folder) / which, vocab, merges, pad, 77)
            yield CLIPTokenizer.from_pretrained(Path(folder) / which)


def standard_reference(wheel):
    first, second = standard_tokenizers(wheel)
    prompts = [*PROMPTS, *MORE_PROMPTS]
    ids = lambda tokenizer, prompt, **options: tokenizer(prompt, **options).input_ids
    window = dict(padding="max_length", max_length=77, truncation=True)
    return {
        "ids": [[p, ids(first, p), ids(second, p)] for p in prompts],
        "windows": [
            [p, ids(first, p, **window), ids(second, p, **window)] for p in ("", "hello! world", "long " * 100)
        ],
    }


class Reference:
    """Encodes prompts of many windows, each window by transformers."""

    def __init__(self, pipe):
        self.encoders = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
        self.size = pipe.tokenizer.model_max_length
        self.room = self.size - 2

    def window(self, tokenizer, words):
        """Begin, words, end, padding."""
        ids = [tokenizer.bos_token_id, *words, tokenizer.eos_token_id]
        return ids + [tokenizer.pad_token_id] * (self.size - len(ids))

    def cut(self, segments, max_chunks):
        """Windows of (id, weight) for each encoder, as many for both; and how many tokens are in none."""
        windows, left_out = ([], []), [0, 0]
        for number, segment in enumerate(segments):
            streams = []
            for tokenizer, _ in self.encoders:
                stream = []
                for text, weight in segment:
                    stream += [(token, weight) for token in tokenizer(text, add_special_tokens=False).input_ids]
                streams.append(stream)
            longest = max(map(len, streams))
            if longest == 0 and 0 < number == len(segments) - 1:
                continue
            for start in range(0, max(longest, 1), self.room):
                if len(windows[0]) == max_chunks:
                    left_out = [n + len(stream[start:]) for n, stream in zip(left_out, streams)]
                    break
                for which, stream in enumerate(streams):
                    windows[which].append(stream[start : start + self.room])
        return windows, max(left_out)

    def encode(self, segments, clip_skip=0, max_chunks=16, at_least=1, **_):
        windows, left_out = self.cut(segments, max_chunks)
        all_ids, sides, pooled = [], [], None
        for (tokenizer, encoder), streams in zip(self.encoders, windows):
            streams = streams + [[]] * (at_least - len(streams))
            state = lambda ids: encoder(torch.tensor([ids]), output_hidden_states=True)
            empty = state(self.window(tokenizer, [])).hidden_states[-2 - clip_skip]
            ids, parts = [], []
            for number, stream in enumerate(streams):
                window = self.window(tokenizer, [token for token, _ in stream])
                output = state(window)
                z = output.hidden_states[-2 - clip_skip].clone()
                for place, (_, weight) in enumerate(stream, start=1):
                    if weight != 1:
                        z[:, place] = empty[:, place] + (z[:, place] - empty[:, place]) * weight
                ids += window
                parts.append(z)
                if number == 0 and encoder is self.encoders[1][1]:
                    pooled = output.text_embeds
            all_ids.append(ids)
            sides.append(torch.cat(parts, 1))
        return all_ids, torch.cat(sides, -1), pooled, left_out


@torch.no_grad()
def main():
    torch.use_deterministic_algorithms(True)
    pipes = {name: pipeline(name) for name in ("model_a", "model_b")}
    tensors, encodings, runs = {}, [], []
    for number, (model, prompt, segments, options) in enumerate(CASES):
        reference = Reference(pipes[model])
        ids, hidden, pooled, cut_off = reference.encode(segments, **options)
        clip_skip = options.get("clip_skip", 0)
        if hidden.shape[1] == reference.size and all(weight == 1 for segment in segments for _, weight in segment):
            # One window without weights: this is diffusers itself.
            theirs = pipes[model].encode_prompt(prompt, do_classifier_free_guidance=False, clip_skip=clip_skip)
            assert torch.equal(theirs[0], hidden) and torch.equal(theirs[2], pooled)
        tensors[f"{number}.hidden"], tensors[f"{number}.pooled"] = hidden, pooled
        encodings.append(dict(model=model, prompt=prompt, ids=ids, cut_off=cut_off, **options))
        print(number, hidden.shape[1] // reference.size, "windows,", cut_off, "cut off:", prompt)
    for number, (model, prompt, negative, (height, width), clip_skip) in enumerate(RUNS):
        pipe, reference = pipes[model], Reference(pipes[model])
        text = lambda p: CASES[p][1] if isinstance(p, int) else p
        common = dict(
            height=height, width=width, num_inference_steps=4, guidance_scale=5.0, output_type="latent",
            generator=torch.Generator().manual_seed(number),
        )  # fmt: skip
        if isinstance(prompt, str):
            latents = pipe(prompt, negative_prompt=negative, clip_skip=clip_skip, **common).images
        else:
            segments = [CASES[prompt][2], None if negative is None else CASES[negative][2]]
            longest = max(len(reference.cut(s, 16)[0][0]) for s in segments if s is not None)
            _, hidden, pooled, _ = reference.encode(segments[0], clip_skip=clip_skip, at_least=longest)
            if negative is None:
                negative_hidden, negative_pooled = torch.zeros_like(hidden), torch.zeros_like(pooled)
            else:
                _, negative_hidden, negative_pooled, _ = reference.encode(segments[1], at_least=longest)
            latents = pipe(
                prompt_embeds=hidden, pooled_prompt_embeds=pooled, negative_prompt_embeds=negative_hidden,
                negative_pooled_prompt_embeds=negative_pooled, **common,
            ).images  # fmt: skip
        tensors[f"run.{number}"] = latents
        runs.append(dict(
            model=model, prompt=text(prompt), negative_prompt=text(negative), height_px=height, width_px=width, steps=4,
            guidance_scale=5.0, clip_skip=clip_skip, seed=number,
        ))  # fmt: skip
    out = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "standard": standard_reference(sys.argv[1]),
        "encodings": encodings,
        "runs": runs,
    }
    (OUT / "text.json").write_text(json.dumps(out, separators=(",", ":")))
    save_file({key: value.contiguous() for key, value in tensors.items()}, OUT / "text.safetensors")
    for file in (OUT / "text.json", OUT / "text.safetensors"):
        file.chmod(0o644)
        print(f"{file.stat().st_size / 1e3:.0f} kB in {file.name}")


if __name__ == "__main__":
    main()
