"""Writes a training checkpoint as a diffusers folder in half precision.

usage: export.py CHECKPOINT.pt TOKENIZER_DIR SPRITES.npz MODEL_DIR

Beside diffusers' own files it writes `vae/latent_preview.json` (a linear map from latent to colour, fitted on the
sprites) and `sprite_model.json` (what a front end should offer: native sizes, steps, guidance, prompt format).
"""

import json
import os
import shutil
import sys

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from transformers import CLIPTokenizer

import model as M
from train import Data, trained_parameters

DEFAULTS = {
    "native_sizes_px": [16, 32], "pixels_per_sprite_pixel": 1, "steps": 8, "guidance_scale": 3.0,
    "guidance_rescale": 0.7, "scheduler": "ddim", "prompt_format": "{kind}, {prompt}",
}


def fit_preview(vae, data, scale):
    """Least squares from the scaled latent to the mean colour of its pixels, both in the model's ranges."""
    k = torch.arange(min(4096, len(data.images)))
    x = data.images[k]
    with torch.no_grad():
        z = torch.cat([vae.encode(part).latent_dist.mean for part in x.split(256)]) * scale
    colour = torch.nn.functional.avg_pool2d(x, M.PIXELS_PER_LATENT)
    rows = lambda t: t.permute(0, 2, 3, 1).reshape(-1, t.shape[1]).double()
    inputs = torch.cat([rows(z), torch.ones(rows(z).shape[0], 1, dtype=torch.float64, device=z.device)], 1)
    solution = torch.linalg.lstsq(inputs, rows(colour)).solution
    residual = (inputs @ solution - rows(colour)).abs().mean().item()
    print(f"latent preview: mean error {residual:.3f} of the range [-1,1]")
    return {"factors": solution[:-1].tolist(), "bias": solution[-1].tolist()}


def main():
    checkpoint, tokenizers, sprites, out = sys.argv[1:5]
    saved = torch.load(checkpoint, map_location="cpu")
    vae, encoders, unet = M.build_vae(), M.build_text_encoders(), M.build_unet()
    vae.load_state_dict(saved["vae"]), unet.load_state_dict(saved["unet"])
    for name, encoder in zip(("text_encoder", "text_encoder_2"), encoders):
        encoder.load_state_dict(saved[name])
    # The weights to ship are the moving averages; the VAE's were put in place when its phase ended.
    trained = trained_parameters(unet, encoders, "cpu")
    with torch.no_grad():
        for p, e in zip(trained, saved["unet_phase"]["ema"]):
            p.copy_(e)
    vae.register_to_config(scaling_factor=saved["scaling_factor"])
    unet.register_to_config(dropout=0.0)
    preview = fit_preview(vae.eval(), Data(np.load(sprites), 32, "cpu"), saved["scaling_factor"])

    shutil.rmtree(out, ignore_errors=True)
    pipe = StableDiffusionXLPipeline(
        vae.half(), encoders[0].half(), encoders[1].half(), CLIPTokenizer.from_pretrained(f"{tokenizers}/tokenizer"),
        CLIPTokenizer.from_pretrained(f"{tokenizers}/tokenizer_2"), unet.half(), M.build_scheduler(),
        force_zeros_for_empty_prompt=False, add_watermarker=False)
    pipe.save_pretrained(out)
    # GitHub and code review tools are happiest with files under 16 MiB.
    shutil.rmtree(f"{out}/unet")
    unet.save_pretrained(f"{out}/unet", max_shard_size="15MB")
    for name in ("tokenizer", "tokenizer_2"):  # as trained, whatever this version of transformers writes
        shutil.rmtree(f"{out}/{name}")
        shutil.copytree(f"{tokenizers}/{name}", f"{out}/{name}")
    with open(f"{out}/vae/latent_preview.json", "w") as f:
        json.dump(preview, f)
    with open(f"{out}/sprite_model.json", "w") as f:
        json.dump(DEFAULTS, f, indent=2)
    total = sum(os.path.getsize(os.path.join(d, n)) for d, _, names in os.walk(out) for n in names)
    print(f"{out}: {total / 2**20:.1f} MiB, UNet after {saved['unet_phase']['steps']} steps")


if __name__ == "__main__":
    main()
