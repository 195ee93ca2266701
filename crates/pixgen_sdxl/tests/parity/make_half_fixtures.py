"""How far diffusers' own half precision is from its f32, on the tiny models: the measure for ours.

    pip install torch diffusers==0.42.1 transformers==5.23.0 safetensors accelerate
    python make_half_fixtures.py            (after make_fixtures.py, whose inputs and f32 outputs it uses)

Writes `fixtures/half_precision.json`: relative L2 errors of the UNet's outputs and of the final latents of two runs, in f16
and bf16.
"""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

FIXTURES = Path(__file__).parent / "fixtures"
RUNS = ("euler.1", "euler.3")


def relative_error(found, expected):
    found, expected = found.double(), expected.double()
    return ((found - expected).norm() / expected.norm()).item()


def main():
    out = {}
    for model in ("model_a", "model_b"):
        folder = FIXTURES / model
        parts, runs = load_file(FIXTURES / f"{model}_parts.safetensors"), load_file(FIXTURES / f"{model}_runs.safetensors")
        cases = {case["name"]: case for case in json.loads((FIXTURES / f"{model}_runs.json").read_text())}
        variant = "fp16" if (folder / "vae/diffusion_pytorch_model.fp16.safetensors").exists() else None
        config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
        zeros = json.loads((folder / "model_index.json").read_text())["force_zeros_for_empty_prompt"]
        for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
            pipe = StableDiffusionXLPipeline(
                unet=UNet2DConditionModel.from_pretrained(folder / "unet").to(dtype),
                vae=AutoencoderKL.from_pretrained(folder / "vae", variant=variant).to(dtype),
                text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder").to(dtype),
                text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2").to(dtype),
                tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
                tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
                scheduler=EulerDiscreteScheduler.from_config(config), add_watermarker=False,
                force_zeros_for_empty_prompt=zeros)
            pipe.set_progress_bar_config(disable=True)
            errors = {"unet": [], "latents": {}}
            for i in range(3):
                get = lambda key: parts[f"unet.{i}.{key}"]
                output = pipe.unet(
                    get("sample").to(dtype), get("timestep"), get("context").to(dtype),
                    added_cond_kwargs={"text_embeds": get("pooled").to(dtype), "time_ids": get("time_ids").to(dtype)},
                ).sample
                errors["unet"].append(relative_error(output, get("output")))
            for run in RUNS:
                case = cases[run]
                latents = pipe(
                    case["prompt"], negative_prompt=case["negative_prompt"], height=case["height_px"],
                    width=case["width_px"], num_inference_steps=case["steps"], guidance_scale=case["guidance_scale"],
                    guidance_rescale=case["guidance_rescale"], original_size=case["original_size_px"] and tuple(case["original_size_px"]),
                    crops_coords_top_left=tuple(case["crop_top_left_px"]),
                    target_size=case["target_size_px"] and tuple(case["target_size_px"]),
                    generator=[torch.Generator().manual_seed(seed) for seed in case["seeds"]],
                    num_images_per_prompt=len(case["seeds"]), output_type="latent",
                ).images
                errors["latents"][run] = relative_error(latents, runs[f"{run}.latents"])
            out.setdefault(model, {})[name] = errors
            print(model, name, errors)
    (FIXTURES / "half_precision.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
