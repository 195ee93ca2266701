"""How far diffusers' own half precision is from its f32, on the tiny models: the measure for ours.

README.md says what must be there before. Writes `half_precision.json`: relative L2 errors of the UNet's outputs and of the
final latents of two runs, in f16.
"""

import json

import torch
from diffusers import EulerDiscreteScheduler
from safetensors.torch import load_file

from tiny_models import OUT, pipeline

RUNS = ("euler.1", "euler.3")


def relative_error(found, expected):
    found, expected = found.double(), expected.double()
    return ((found - expected).norm() / expected.norm()).item()


def main():
    out = {}
    for model in ("model_a", "model_b"):
        parts, runs = load_file(OUT / f"{model}_parts.safetensors"), load_file(OUT / f"{model}_runs.safetensors")
        cases = {case["name"]: case for case in json.loads((OUT / f"{model}_runs.json").read_text())}
        pipe = pipeline(model).to(torch.float16)
        pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
        errors = {"unet": [], "latents": {}}
        for i in range(3):
            get = lambda key: parts[f"unet.{i}.{key}"]
            output = pipe.unet(
                get("sample").half(), get("timestep"), get("context").half(),
                added_cond_kwargs={"text_embeds": get("pooled").half(), "time_ids": get("time_ids").half()},
            ).sample
            errors["unet"].append(relative_error(output, get("output")))
        for run in RUNS:
            case = cases[run]
            latents = pipe(
                case["prompt"], negative_prompt=case["negative_prompt"], height=case["height_px"],
                width=case["width_px"], num_inference_steps=case["steps"], guidance_scale=case["guidance_scale"],
                guidance_rescale=case["guidance_rescale"],
                original_size=case["original_size_px"] and tuple(case["original_size_px"]),
                crops_coords_top_left=tuple(case["crop_top_left_px"]),
                target_size=case["target_size_px"] and tuple(case["target_size_px"]),
                generator=[torch.Generator().manual_seed(seed) for seed in case["seeds"]],
                num_images_per_prompt=len(case["seeds"]), output_type="latent",
            ).images
            errors["latents"][run] = relative_error(latents, runs[f"{run}.latents"])
        out[model] = errors
        print(model, errors)
    (OUT / "half_precision.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
