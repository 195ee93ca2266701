"""Builds the fixtures of image-to-image, inpainting, the encoder, shared attention and TAESD from diffusers.

README.md says what must be there before. Writes `<model>_images.safetensors`, `<model>_images.json` and `taesd/`. Where
diffusers' pipelines cannot do what this crate does, one line of them is replaced; each such line is named in `PATCHES`.
"""

import inspect
import json
import shutil
import textwrap

import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
)
from diffusers.pipelines.deprecated.text_to_video_synthesis.pipeline_text_to_video_zero import CrossFrameAttnProcessor
from safetensors.torch import load_file, save_file

from make_fixtures import randomize
from tiny_models import OUT, load

SCHEDULERS = {
    "euler": EulerDiscreteScheduler,
    "ddim": DDIMScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "euler_ancestral": EulerAncestralDiscreteScheduler,
}

# Class, method, line of diffusers 0.42.1, what stands there instead.
PATCHES = [
    # Any image of four channels is taken for a latent, so an RGBA autoencoder can read no image.
    (StableDiffusionXLImg2ImgPipeline, "prepare_latents", "if image.shape[1] == 4:", "if False:"),
    (StableDiffusionXLInpaintPipeline, "prepare_latents", "if image.shape[1] == 4:", "if False:"),
    (StableDiffusionXLInpaintPipeline, "prepare_mask_latents", "masked_image.shape[1] == 4", "False"),
    (StableDiffusionXLInpaintPipeline, "__call__", "init_image.shape[1] == 4", "False"),
    # Ordinary checkpoints are told from inpainting ones by having four channels.
    (StableDiffusionXLInpaintPipeline, "__call__", "num_channels_unet == 4", "num_channels_unet != 9"),
    (StableDiffusionXLInpaintPipeline, "__call__", "num_channels_unet != 4", "False"),
    # Mean and deviation of the latents are used after the run but forgotten before it.
    (
        StableDiffusionXLInpaintPipeline,
        "_encode_vae_image",
        "image_latents = self.vae.config.scaling_factor * image_latents",
        "image_latents = scale(self.vae, image_latents)",
    ),
]


def scale(vae, latents):
    if vae.config.latents_mean is None:
        return latents * vae.config.scaling_factor
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std))
    return (latents - mean) * vae.config.scaling_factor / std


def patch():
    changed = {}
    for cls, method, old, new in PATCHES:
        source = changed.get((cls, method)) or textwrap.dedent(inspect.getsource(getattr(cls, method)))
        assert old in source, f"{cls.__name__}.{method} has no {old!r}: another version of diffusers"
        changed[cls, method] = source.replace(old, new)
    for (cls, method), source in changed.items():
        lines = source.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("def "))
        scope = {**vars(inspect.getmodule(cls)), "scale": scale}
        exec("\n".join(lines[start:]), scope)
        setattr(cls, method, torch.no_grad()(scope[method]))


def pipelines(name):
    parts = load(name)
    pipes = [StableDiffusionXLImg2ImgPipeline(**parts), StableDiffusionXLInpaintPipeline(**parts)]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    return pipes


def picture(count, channels, height, width, seed):
    """Smooth pictures in [-1, 1], exact in half precision so that they take little space."""
    noise = torch.randn((count, channels, height // 4, width // 4), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(height, width), mode="bicubic").tanh().half().float()


def encoder_reference(vae, out):
    image = picture(2, vae.config.in_channels, 20, 28, 1)
    posterior = vae.encode(image).latent_dist
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(2))
    sample = posterior.sample(generator)
    assert torch.equal(sample, posterior.mean + posterior.std * noise)
    assert torch.equal(posterior.mode(), posterior.mean)
    out.update({
        "encoder.image": image.half(), "encoder.mean": posterior.mean, "encoder.log_variance": posterior.logvar,
        "encoder.noise": noise, "encoder.sample": sample, "encoder.scaled": scale(vae, sample),
    })  # fmt: skip


def frames_reference(unet, parts, out):
    """Two prompts of two frames each, which attend to the first one."""
    config = unet.config
    sample = torch.randn((4, config.in_channels, 8, 12), generator=torch.Generator().manual_seed(3))
    repeat = lambda name: parts[f"unet.0.{name}"].repeat_interleave(2, 0)
    processors = unet.attn_processors
    unet.set_attn_processor({
        name: CrossFrameAttnProcessor(batch_size=2) if "attn1" in name else processor
        for name, processor in processors.items()
    })  # fmt: skip
    output = unet(
        sample, torch.tensor(333.0), encoder_hidden_states=repeat("context"),
        added_cond_kwargs={"text_embeds": repeat("pooled"), "time_ids": repeat("time_ids")},
    ).sample  # fmt: skip
    unet.set_attn_processor(processors)
    out["frames.sample"], out["frames.output"] = sample, output


def runs_reference(pipes, height, width, prompts, out):
    image_to_image, inpaint = pipes
    vae, own = image_to_image.vae, image_to_image.scheduler
    images = picture(2, vae.config.in_channels, height, width, 4)
    # Grey values too: diffusers takes 0.5 and more for white.
    mask = torch.rand((1, 1, height, width), generator=torch.Generator().manual_seed(5))
    mask[..., : width // 2] *= 0.9
    mask[..., : height // 3, :] = 0
    mask[..., -height // 4 :, :] = 1
    mask = mask.half().float()
    out["run.images"], out["run.mask"] = images.half(), mask.half()
    cases = []
    runs = [
        # solver, steps, strength, guidance, rescale, inpaints
        ("euler", 20, 0.3, 1.0, 0.0, False),
        ("euler", 10, 0.7, 5.0, 0.0, False),
        ("ddim", 9, 0.5, 4.0, 0.5, False),
        ("ddim", 4, 1.0, 1.0, 0.0, False),
        ("dpmpp_2m", 20, 0.62, 5.0, 0.0, False),
        ("euler_ancestral", 8, 0.6, 3.0, 0.0, False),
        ("euler", 20, 0.8, 5.0, 0.0, True),
        ("euler", 5, 1.0, 1.0, 0.0, True),
        ("ddim", 8, 0.55, 4.0, 0.5, True),
        ("dpmpp_2m", 7, 1.0, 3.0, 0.0, True),
        ("euler_ancestral", 6, 0.7, 3.0, 0.0, True),
    ]
    for i, (kind, steps, strength, guidance, rescale, inpaints) in enumerate(runs):
        pipe = inpaint if inpaints else image_to_image
        pipe.scheduler = SCHEDULERS[kind].from_config(own.config, **({"clip_sample": False} if kind == "ddim" else {}))
        seeds = (21 + i, 2**33 + 6)
        # One picture for all images of the batch, or one for each. Inpainting would encode a single one only once, with
        # the first image's generator.
        given = images if inpaints or i % 2 else images[:1]
        unit = given if given.shape[1] == 4 else (given + 1) / 2
        extra = dict(mask_image=mask, height=height, width=width) if inpaints else {}
        run = lambda output_type: pipe(
            prompts[0],
            negative_prompt=prompts[1] if i % 3 == 0 else None,
            image=unit,
            strength=strength,
            num_inference_steps=steps,
            guidance_scale=guidance,
            guidance_rescale=rescale,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            num_images_per_prompt=2,
            output_type=output_type,
            **extra,
        ).images
        out[f"run.{i}.latents"] = run("latent")
        assert torch.isfinite(out[f"run.{i}.latents"]).all()
        if i in (1, 6):
            out[f"run.{i}.image"] = run("pt")[:1] * 2 - 1
        cases.append(dict(
            name=f"run.{i}", scheduler=kind, steps=steps, strength=strength, guidance_scale=guidance,
            guidance_rescale=rescale, inpaints=inpaints, images=len(given), seeds=seeds, prompt=prompts[0],
            negative_prompt=prompts[1] if i % 3 == 0 else None,
        ))  # fmt: skip
    image_to_image.scheduler = inpaint.scheduler = own
    return cases


def taesd_reference():
    """Two tiny decoders: as diffusers saves them, and under the names of the original's files."""
    folder = OUT / "taesd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    vae = AutoencoderTiny(
        encoder_block_out_channels=(4, 4), decoder_block_out_channels=(6, 6, 6), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(2, 1, 1), latent_channels=4,
    )  # fmt: skip
    randomize(vae, 31).save_pretrained(folder / "diffusers")
    latents = torch.randn((2, 4, 3, 5), generator=torch.Generator().manual_seed(32)) * 2
    out = {"latents": latents, "image": vae.decode(latents).sample}
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "reference.safetensors")


@torch.no_grad()
def main():
    torch.use_deterministic_algorithms(True)
    patch()
    models = {
        "model_a": (16, 24, ["a blue potion", "blurry"]),
        "model_b": (16, 32, ["A KNIGHT'S sword", "the old slime"]),
    }
    for name, (height, width, prompts) in models.items():
        pipes = pipelines(name)
        out = {}
        encoder_reference(pipes[0].vae, out)
        frames_reference(pipes[0].unet, load_file(OUT / f"{name}_parts.safetensors"), out)
        cases = runs_reference(pipes, height, width, prompts, out)
        save_file({k: v.contiguous() for k, v in out.items()}, OUT / f"{name}_images.safetensors")
        (OUT / f"{name}_images.json").write_text(json.dumps(cases, indent=1))
    taesd_reference()
    for file in [*OUT.glob("*_images.*"), *(OUT / "taesd").rglob("*")]:
        file.chmod(0o755 if file.is_dir() else 0o644)
        print(file.relative_to(OUT), file.stat().st_size)


if __name__ == "__main__":
    main()
