"""Where the fixtures lie, and the two tiny models of make_fixtures.py as the other scripts load them."""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

OUT = Path(__file__).parent / "fixtures"


def load(name, **changes):
    """The arguments of an SDXL pipeline of diffusers, everything in f32; `changes` replace some of them."""
    folder = OUT / name
    read = lambda file: json.loads((folder / file).read_text())
    # Of model_a's autoencoder only the half-precision file exists.
    variant = "fp16" if name == "model_a" else None
    scheduler = getattr(diffusers, read("scheduler/scheduler_config.json")["_class_name"])
    return dict(
        vae=AutoencoderKL.from_pretrained(folder / "vae", variant=variant, torch_dtype=torch.float32),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=scheduler.from_pretrained(folder / "scheduler"),
        force_zeros_for_empty_prompt=read("model_index.json")["force_zeros_for_empty_prompt"],
        add_watermarker=False,
    ) | changes


def pipeline(name, **changes):
    pipe = StableDiffusionXLPipeline(**load(name, **changes))
    pipe.set_progress_bar_config(disable=True)
    return pipe
