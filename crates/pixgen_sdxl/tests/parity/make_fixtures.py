"""Builds the fixtures of the parity tests from diffusers and transformers: the models, their parts and whole runs.

Read README.md first: this empties the folder, and makes other vocabularies each time.

Two tiny SDXL models with random weights, which differ in every number, and what the reference implementation makes of
them: token ids, text encodings, UNet outputs, decoded images, noise, and whole runs of StableDiffusionXLPipeline.
"""

import json
import shutil

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from odd_prompts import PROMPTS
from tiny_models import OUT, pipeline

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
SCHEDULERS = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}

SENTENCES = [
    "a blue potion in a round bottle, pixel art",
    "a brave knight with a silver sword and a red cape",
    "an angry green slime monster, isometric, low resolution",
    "the old wizard's wooden staff; it's glowing!!! 16-bit sprite sheet",
    "mossy stone floor tile, seamless texture, they'll never see us, we've gone",
    "Ein Ritter mit Schwert. Le château où naît l'été. Ωραίος σκύλος. 青い薬 🧪",
]


def train_tokenizer(merge_count, specials_first):
    """A vocabulary in CLIP's order: bytes, bytes that end a word, merges, special tokens."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=600 + merge_count,
        min_frequency=1,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    merges = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]][:merge_count]
    tokens = [*alphabet, *(a + "</w>" for a in alphabet), *(a + b for a, b in merges)]
    if specials_first:
        # Neither the smallest nor the largest id, and not in order.
        tokens = [tokens[0], EOS, tokens[1], tokens[2], BOS, *tokens[3:]]
    else:
        tokens = [*tokens, BOS, EOS]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, merges


def write_vocab(folder, vocab, merges):
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_old_tokenizer(folder, vocab, merges, pad, max_length):
    """The files of SDXL base itself."""
    write_vocab(folder, vocab, merges)
    token = lambda content: {
        "content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False,
    }  # fmt: skip
    special = {"bos_token": token(BOS), "eos_token": token(EOS), "pad_token": pad, "unk_token": token(EOS)}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {
        **{k: {"__type": "AddedToken", **v} if isinstance(v, dict) else v for k, v in special.items()},
        "add_prefix_space": False, "do_lower_case": True, "errors": "replace",
        "model_max_length": max_length, "tokenizer_class": "CLIPTokenizer",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_new_tokenizer(folder, vocab, merges, pad, max_length):
    """What transformers 5 saves: tokenizer.json."""
    CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=max_length).save_pretrained(folder)


def randomize(module, seed):
    """Weights that keep activations near one, norms and biases that matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                fan_in = p[0].numel() if "embedding" not in name else 4
                p.copy_(noise / fan_in**0.5)
            elif name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)
            else:
                p.copy_(0.2 * noise)
    return module.eval()


def build_a(folder):
    vocab, merges = train_tokenizer(200, specials_first=False)
    write_old_tokenizer(folder / "tokenizer", vocab, merges, EOS, 77)
    write_old_tokenizer(folder / "tokenizer_2", vocab, merges, "!", 77)
    common = dict(
        vocab_size=len(vocab), max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1
    )
    text = CLIPTextConfig(
        hidden_size=32, intermediate_size=37, num_hidden_layers=4, num_attention_heads=4, hidden_act="quick_gelu",
        projection_dim=32, **common,
    )  # fmt: skip
    text_2 = CLIPTextConfig(
        hidden_size=16, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, hidden_act="gelu",
        projection_dim=32, **common,
    )  # fmt: skip
    randomize(CLIPTextModel(text), 1).save_pretrained(folder / "text_encoder")
    randomize(CLIPTextModelWithProjection(text_2), 2).save_pretrained(folder / "text_encoder_2")
    unet = UNet2DConditionModel(
        block_out_channels=(10, 12), layers_per_block=2, sample_size=16, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80,
        cross_attention_dim=48, norm_num_groups=1,
    )  # fmt: skip
    randomize(unet, 3).save_pretrained(folder / "unet")
    vae = AutoencoderKL(
        block_out_channels=(8, 10), in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=2, sample_size=32,
        scaling_factor=0.13025, latents_mean=[0.1, -0.2, 0.3, 0.05], latents_std=[0.15, 0.2, 0.1, 0.12],
    )  # fmt: skip
    # Only the half-precision file exists, as in many downloads; the reference computes with the same numbers.
    randomize(vae, 4).half().save_pretrained(folder / "vae", variant="fp16")
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    return scheduler


def build_b(folder):
    vocab, merges = train_tokenizer(120, specials_first=True)
    vocab_2, merges_2 = train_tokenizer(60, specials_first=True)
    write_new_tokenizer(folder / "tokenizer", vocab, merges, EOS, 24)
    write_new_tokenizer(folder / "tokenizer_2", vocab_2, merges_2, "!", 24)
    text = CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=20, intermediate_size=26, num_hidden_layers=3, num_attention_heads=2,
        hidden_act="gelu", max_position_embeddings=24, projection_dim=14, eos_token_id=vocab[EOS],
        bos_token_id=vocab[BOS], pad_token_id=vocab[EOS], layer_norm_eps=1e-4,
    )  # fmt: skip
    text_2 = CLIPTextConfig(
        vocab_size=len(vocab_2), hidden_size=24, intermediate_size=30, num_hidden_layers=2, num_attention_heads=3,
        hidden_act="quick_gelu", max_position_embeddings=24, projection_dim=18, eos_token_id=vocab_2[EOS],
        bos_token_id=vocab_2[BOS], pad_token_id=vocab_2["!"],
    )  # fmt: skip
    randomize(CLIPTextModel(text), 11).save_pretrained(folder / "text_encoder")
    randomize(CLIPTextModelWithProjection(text_2), 12).save_pretrained(folder / "text_encoder_2")
    unet = UNet2DConditionModel(
        block_out_channels=(8, 12, 16), layers_per_block=1, sample_size=(8, 12), in_channels=8, out_channels=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(4, 3, 2), use_linear_projection=False, addition_embed_type="text_time",
        addition_time_embed_dim=6, transformer_layers_per_block=(1, 1, 3), projection_class_embeddings_input_dim=54,
        cross_attention_dim=44, norm_num_groups=4, norm_eps=2e-5, flip_sin_to_cos=False, freq_shift=1,
    )  # fmt: skip
    randomize(unet, 13).save_pretrained(folder / "unet", max_shard_size="150KB")
    vae = AutoencoderKL(
        block_out_channels=(6, 9, 12), in_channels=4, out_channels=4, down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=8, norm_num_groups=3, sample_size=64,
        layers_per_block=2, scaling_factor=0.7, mid_block_add_attention=False, use_post_quant_conv=False,
        use_quant_conv=False, force_upcast=False,
    )  # fmt: skip
    randomize(vae, 14).save_pretrained(folder / "vae")
    factors = np.random.default_rng(15).normal(0, 0.2, (8, 4)).round(3)
    preview = {"factors": factors.tolist(), "bias": [0.1, -0.1, 0.05, 0.4]}
    (folder / "vae" / "latent_preview.json").write_text(json.dumps(preview))
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        rescale_betas_zero_snr=True, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=False,
        steps_offset=0,
    )  # fmt: skip
    return scheduler


def parts_reference(pipe, name):
    """Inputs and outputs of each part, one by one."""
    out = {}
    for i, prompt in enumerate(PROMPTS):
        for which, tokenizer in (("1", pipe.tokenizer), ("2", pipe.tokenizer_2)):
            ids = tokenizer(
                prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True
            ).input_ids
            out[f"ids.{i}.{which}"] = torch.tensor(ids, dtype=torch.int64)
        if i in (0, 2, 6, 22):
            hidden, _, pooled, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
            out[f"hidden.{i}"], out[f"pooled.{i}"] = hidden, pooled
    generator = torch.Generator().manual_seed(100)
    randn = lambda *shape: torch.randn(shape, generator=generator)
    config = pipe.unet.config
    pooled = pipe.text_encoder_2.config.projection_dim
    # Heights and widths that do not halve evenly too.
    for i, (height, width, timestep) in enumerate([(8, 12, 999.0), (16, 4, 1.0), (7, 10, 500.5)]):
        sample = randn(2, config.in_channels, height, width)
        context = randn(2, 5 + i, config.cross_attention_dim)
        text_embeds = randn(2, pooled)
        time_ids = torch.tensor([[1024.0, 768.0, 0.0, 64.0, 512.0, 640.0], [32.0, 48.0, 3.0, 5.0, 96.0, 128.0]])
        output = pipe.unet(
            sample,
            torch.tensor(timestep),
            encoder_hidden_states=context,
            added_cond_kwargs={"text_embeds": text_embeds, "time_ids": time_ids},
        ).sample
        for key, value in dict(
            sample=sample, timestep=torch.tensor(timestep), context=context, pooled=text_embeds, time_ids=time_ids,
            output=output,
        ).items():  # fmt: skip
            out[f"unet.{i}.{key}"] = value
    latents = randn(2, config.in_channels, 7, 10)
    vae = pipe.vae.config
    unscaled = latents / vae.scaling_factor
    if vae.latents_mean is not None:
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (vae.latents_mean, vae.latents_std))
        unscaled = latents * std / vae.scaling_factor + mean
    out["vae.latents"] = latents
    out["vae.image"] = pipe.vae.decode(unscaled).sample.clamp(-1, 1)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, OUT / f"{name}_parts.safetensors")


def runs_reference(pipe, name, sizes, prompts):
    """Whole runs. Each solver is made from the model's own configuration file, as a user of diffusers would."""
    out, cases = {}, []
    own = pipe.scheduler
    guidances = [(1.0, 0.0, None), (5.0, 0.0, None), (7.5, 0.7, ""), (3.0, 0.3, prompts[1])]
    for kind, cls in SCHEDULERS.items():
        for i, (scale, rescale, negative) in enumerate(guidances):
            height, width = sizes[i % len(sizes)]
            # Clipping latents to the range of pixels is the one default that is not followed.
            pipe.scheduler = cls.from_config(own.config, **({"clip_sample": False} if kind == "ddim" else {}))
            steps = (4, 6, 9, 17)[i]
            extra = dict(original_size=(300, 200), crops_coords_top_left=(7, 9), target_size=(90, 110)) if i == 3 else {}
            seeds = (11 + i, 2**33 + 5)
            run = lambda output_type: pipe(
                prompts[0],
                negative_prompt=negative,
                height=height,
                width=width,
                num_inference_steps=steps,
                guidance_scale=scale,
                guidance_rescale=rescale,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                num_images_per_prompt=2,
                output_type=output_type,
                **extra,
            ).images
            case = f"{kind}.{i}"
            out[f"{case}.latents"] = run("latent")
            out[f"{case}.image"] = run("pt")[:1] * 2 - 1
            cases.append(dict(
                name=case, scheduler=kind, prompt=prompts[0], negative_prompt=negative, height_px=height, width_px=width,
                steps=steps, guidance_scale=scale, guidance_rescale=rescale, seeds=seeds,
                original_size_px=extra.get("original_size"), crop_top_left_px=extra.get("crops_coords_top_left", (0, 0)),
                target_size_px=extra.get("target_size"),
            ))  # fmt: skip
    pipe.scheduler = own
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / f"{name}_runs.safetensors")
    (OUT / f"{name}_runs.json").write_text(json.dumps(cases, indent=1))


def noise_reference():
    out = {}
    for seed in (0, 1, 42, 2**32 - 1, 2**33 + 5):
        for count in (1, 2, 7, 15, 16, 17, 31, 100, 1024):
            out[f"{seed}.{count}"] = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    save_file(out, OUT / "noise.safetensors")


@torch.no_grad()
def main():
    torch.use_deterministic_algorithms(True)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    models = {
        "model_a": (build_a, True, [(16, 24), (32, 32)], ["a blue potion, <|endoftext|> hello!", "blurry"]),
        "model_b": (build_b, False, [(32, 48), (24, 40)], ["A KNIGHT'S sword, 16-bit!!", "the old slime"]),
    }
    for name, (build, zeros, sizes, prompts) in models.items():
        folder = OUT / name
        scheduler = build(folder)
        scheduler.save_pretrained(folder / "scheduler")
        index = {
            "_class_name": "StableDiffusionXLPipeline",
            "_diffusers_version": "0.30.0",
            "force_zeros_for_empty_prompt": zeros,
        }
        (folder / "model_index.json").write_text(json.dumps(index, indent=1))
        pipe = pipeline(name)
        parts_reference(pipe, name)
        runs_reference(pipe, name, sizes, prompts)
    noise_reference()
    (OUT / "prompts.json").write_text(json.dumps(PROMPTS, indent=1))
    for file in OUT.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    size = sum(file.stat().st_size for file in OUT.rglob("*") if file.is_file())
    print(f"{size / 1e6:.2f} MB in {OUT}")


if __name__ == "__main__":
    main()
