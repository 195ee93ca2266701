"""Draws a contact sheet with the real diffusers pipeline: a row a prompt, a column a seed.

usage: sheet.py MODEL_DIR OUT.png [--steps 8] [--guidance 3] [--seeds 8] [--size 32] [--prompts FILE]
"""

import argparse
import os

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

BACKGROUND = (70, 74, 90)
PROMPTS = os.path.join(os.path.dirname(__file__), "../sprite-tiny/prompts.txt")


def pipeline(folder, device):
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def draw(pipe, prompts, seeds, size_px, steps, guidance):
    """uint8 [N,H,W,4]; the noise comes from the CPU generator, so that it is the same on every device."""
    return (np.stack(pipe(
        prompts, height=size_px, width=size_px, num_inference_steps=steps, guidance_scale=guidance,
        guidance_rescale=.7, negative_prompt=[""] * len(prompts), output_type="np",
        generator=[torch.Generator().manual_seed(s) for s in seeds]).images) * 255).round().astype(np.uint8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model"), parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=8), parser.add_argument("--guidance", type=float, default=3)
    parser.add_argument("--seeds", type=int, default=8), parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--prompts", default=PROMPTS, help="a file with one a line")
    args = parser.parse_args()
    pipe = pipeline(args.model, "cuda" if torch.cuda.is_available() else "cpu")
    prompts = open(args.prompts).read().strip().splitlines()
    cell = args.size + 2
    sheet = np.full((len(prompts) * cell, args.seeds * cell, 3), BACKGROUND, np.uint8)
    for row, prompt in enumerate(prompts):
        images = draw(pipe, [prompt] * args.seeds, range(args.seeds), args.size, args.steps, args.guidance)
        for column, image in enumerate(images):
            y, x = row * cell + 1, column * cell + 1
            part = sheet[y:y + args.size, x:x + args.size]
            part[:] = np.where(image[..., 3:] > 127, image[..., :3], part)
    zoom = 96 // args.size
    Image.fromarray(sheet).resize((sheet.shape[1] * zoom, sheet.shape[0] * zoom), Image.NEAREST).save(args.out)


if __name__ == "__main__":
    main()
