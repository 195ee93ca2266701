"""Builds the fixtures of the scheduler tests from diffusers.

README.md says what must be there before. Writes trajectories of each scheduler with a network in closed form and the
timesteps for many numbers of steps (`schedulers.*`), the noise that torch draws in a row (`noise_in_a_row.*`), and runs of
StableDiffusionXLPipeline with fresh noise at each step on the tiny models (`stochastic_runs.*`).
"""

import json

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)
from safetensors.torch import save_file

from tiny_models import OUT, pipeline

CLASSES = {
    "euler": EulerDiscreteScheduler,
    "euler_ancestral": EulerAncestralDiscreteScheduler,
    "ddim": DDIMScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "dpmpp_2m_sde": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
    "lcm": LCMScheduler,
    "tcd": TCDScheduler,
}
SEED = 7
SHAPE = (1, 2, 3, 5)

SDXL = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
V = dict(**SDXL, prediction_type="v_prediction")
ZERO_SNR = dict(**V, rescale_betas_zero_snr=True, timestep_spacing="trailing")
KARRAS = dict(use_karras_sigmas=True)
EXPONENTIAL = dict(use_exponential_sigmas=True)
LEADING = dict(timestep_spacing="leading", steps_offset=1)
TRAILING = dict(timestep_spacing="trailing")
SDE = dict(algorithm_type="sde-dpmsolver++")
DMD2 = dict(timesteps=[999, 749, 499, 249])
SGM = dict(spacing="sgm_uniform")


def case(config, steps=(1, 4, 8, 30), strength=None, **options):
    return config, steps, strength, options


def begin(config, **options):
    """Image-to-image: 10 steps of which the last 6 or 3 are taken."""
    return [case(config, (10,), strength, **options) for strength in (0.6, 0.35)]


CASES = {
    "euler": [
        case(dict(**SDXL, **LEADING)),
        case(dict(**SDXL, **TRAILING)),
        case(dict()),
        case(dict(**SDXL, prediction_type="sample", final_sigmas_type="sigma_min")),
        case(dict(**V, timestep_spacing="linspace")),
        case(ZERO_SNR),
        case(dict(num_train_timesteps=100, beta_end=0.1, timestep_spacing="trailing")),
        case(dict(**SDXL, **LEADING, **KARRAS)),
        case(dict(**SDXL, **LEADING, **EXPONENTIAL)),
        case(dict(**SDXL, **KARRAS, sigma_min=0.1, sigma_max=10.0, final_sigmas_type="sigma_min"), (8,)),
        case(dict(**ZERO_SNR, **KARRAS), (8,)),
        case(dict(**SDXL, **LEADING), (0,), timesteps=[999, 749.5, 499, 249]),
        case(dict(**SDXL, **LEADING), (1, 5, 20), **SGM),
        *begin(dict(**SDXL, **LEADING)),
        *begin(dict(**SDXL, **TRAILING, **KARRAS)),
    ],
    "euler_ancestral": [
        case(dict(**SDXL, **LEADING)),
        case(dict(**SDXL, **TRAILING)),
        case(dict()),
        case(dict(**V, timestep_spacing="linspace")),
        case(ZERO_SNR),
        case(dict(**SDXL, **LEADING), (8,), sigmas="karras"),
        case(dict(**SDXL, **LEADING), (8,), sigmas="exponential"),
        case(dict(**SDXL, **TRAILING), (0,), timesteps=[999, 749, 499, 249]),
        case(dict(**SDXL, **LEADING), (1, 5, 20), **SGM),
        case(dict(**SDXL, **LEADING), (8,), eta=0.5),
        *begin(dict(**SDXL, **LEADING)),
    ],
    "ddim": [
        case(dict(**SDXL, steps_offset=1, set_alpha_to_one=False, clip_sample=False)),
        case(dict(**SDXL, **TRAILING, clip_sample=False)),
        case(dict(**V, timestep_spacing="linspace", clip_sample=False)),
        case(dict()),
        case(dict(**V, clip_sample_range=0.4)),
        case(dict(**ZERO_SNR, clip_sample=False)),
        case(dict(**SDXL, prediction_type="sample", clip_sample=False)),
        case(dict(**SDXL, **TRAILING, clip_sample=False), (4, 8), eta=0.6),
        case(dict(**V, set_alpha_to_one=False, clip_sample=False), (8,), eta=1.0),
        case(dict(**ZERO_SNR, clip_sample=False), (8,), eta=0.5),
        *begin(dict(**SDXL, **TRAILING, clip_sample=False)),
    ],
    "dpmpp_2m": [
        case(dict(**SDXL, **LEADING)),
        case(dict(**SDXL, **TRAILING, solver_type="heun")),
        case(dict()),
        case(dict(**SDXL, prediction_type="sample", final_sigmas_type="sigma_min", lower_order_final=False)),
        case(dict(**V, final_sigmas_type="sigma_min", euler_at_final=True)),
        case(ZERO_SNR),
        case(dict(**SDXL, solver_order=1)),
        case(dict(**SDXL, **KARRAS)),
        case(dict(**SDXL, **EXPONENTIAL)),
        case(dict(**V, **KARRAS, final_sigmas_type="sigma_min"), (8, 20)),
        case(dict(**ZERO_SNR, **KARRAS), (8,)),
        case(dict(**SDXL, lambda_min_clipped=-2.0), (8,)),
        case(dict(**SDXL, lambda_min_clipped=-2.0, **TRAILING), (8,)),
        case(dict(**SDXL, **LEADING), (0,), **DMD2),
        case(dict(**SDXL, **LEADING), (1, 5, 20), **SGM),
        *begin(dict(**SDXL, **LEADING)),
        *begin(dict(**SDXL, **KARRAS)),
    ],
    "dpmpp_2m_sde": [
        case(dict(**SDXL, **LEADING, **SDE)),
        case(dict(**SDXL, **TRAILING, **SDE, solver_type="heun")),
        case(dict(**V, **SDE, final_sigmas_type="sigma_min"), (8, 20)),
        case(dict(**ZERO_SNR, **SDE)),
        case(dict(**SDXL, **SDE, **KARRAS)),
        case(dict(**SDXL, **SDE, **EXPONENTIAL), (8,)),
        case(dict(**SDXL, **SDE, prediction_type="sample", solver_order=1), (8,)),
        case(dict(**SDXL, **SDE), (0,), **DMD2),
        case(dict(**SDXL, **SDE), (5, 20), **SGM),
        case(dict(**SDXL, **LEADING, **SDE), (8,), eta=0.5),
        *begin(dict(**SDXL, **LEADING, **SDE)),
    ],
    "unipc": [
        case(dict(**SDXL, **LEADING)),
        case(dict(**SDXL, **TRAILING)),
        case(dict()),
        case(dict(**V, solver_type="bh1", final_sigmas_type="sigma_min"), (4, 8, 20)),
        case(dict(**SDXL, prediction_type="sample", final_sigmas_type="sigma_min", lower_order_final=False), (4, 8, 20)),
        case(ZERO_SNR),
        case(dict(**SDXL, solver_order=1), (8,)),
        case(dict(**SDXL, solver_order=3)),
        case(dict(**SDXL, disable_corrector=[0, 3]), (8,)),
        case(dict(**SDXL, **KARRAS)),
        case(dict(**SDXL, **EXPONENTIAL)),
        case(dict(**V, **KARRAS, final_sigmas_type="sigma_min"), (8,)),
        case(dict(**SDXL, **LEADING), (0,), **DMD2),
        case(dict(**SDXL, **LEADING), (1, 5, 20), **SGM),
        *begin(dict(**SDXL, **LEADING)),
        *begin(dict(**SDXL, **KARRAS, solver_order=3)),
    ],
    "lcm": [
        case(dict(**SDXL)),
        case(dict(), (4, 50)),
        case(dict(**ZERO_SNR), (4, 8)),
        case(dict(prediction_type="sample"), (4,)),
        case(dict(clip_sample=True, clip_sample_range=0.7, timestep_scaling=2.0), (4,)),
        case(dict(original_inference_steps=100), (4, 8)),
        case(dict(), (0,), **DMD2),
        case(dict(), (0,), timesteps=[399]),
        case(dict(), (1, 5), **SGM),
        *begin(dict()),
    ],
    "tcd": [
        case(dict(**SDXL)),
        case(dict(), (1, 4, 8), eta=0.0),
        case(dict(), (1, 4, 8), eta=1.0),
        case(dict(), (4, 8, 50), eta=0.75),
        case(dict(**ZERO_SNR), (4, 8)),
        case(dict(prediction_type="sample"), (4,)),
        case(dict(original_inference_steps=100), (4, 8)),
        case(dict(), (0,), **DMD2),
        case(dict(), (1, 5), **SGM),
        *begin(dict()),
    ],
}


def table(scheduler):
    return np.array(((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod) ** 0.5, dtype=np.float64)


def plant(scheduler, timesteps, sigmas):
    """Timesteps and sigmas that the class cannot choose by itself; it steps through them by its own code."""
    floats = isinstance(scheduler, (EulerDiscreteScheduler, EulerAncestralDiscreteScheduler))
    scheduler.timesteps = torch.tensor(timesteps, dtype=torch.float32 if floats else torch.int64)
    scheduler.num_inference_steps = len(timesteps)
    if sigmas is not None:
        scheduler.sigmas = torch.tensor([*sigmas, 0.0], dtype=torch.float32)


def sgm_uniform(scheduler, steps):
    """ComfyUI's: evenly from the last timestep to the first, of which the first is left out."""
    last = scheduler.config.num_train_timesteps - 1
    exact = np.linspace(last, 0, steps + 1)[:-1]
    if not hasattr(scheduler, "sigmas"):
        return np.abs(np.arange(last + 1)[:, None] - exact).argmin(axis=0), None
    logs = np.log(table(scheduler))
    log_sigmas = np.interp(exact, np.arange(last + 1), logs)
    return np.abs(logs[:, None] - log_sigmas).argmin(axis=0), np.exp(log_sigmas)


def schedule(scheduler, kind, config, steps, options):
    timesteps = options.get("timesteps")
    if options.get("spacing") == "sgm_uniform":
        scheduler.set_timesteps(steps)
        plant(scheduler, *sgm_uniform(scheduler, steps))
    elif "sigmas" in options:
        # Euler's own: its ancestral class has none.
        euler = EulerDiscreteScheduler(**config, **{f"use_{options['sigmas']}_sigmas": True})
        euler.set_timesteps(steps)
        scheduler.set_timesteps(steps)
        plant(scheduler, euler.timesteps.tolist(), euler.sigmas[:-1].tolist())
    elif timesteps is None:
        scheduler.set_timesteps(steps)
    elif kind in ("euler_ancestral", "unipc"):
        # These classes take no list.
        scheduler.set_timesteps(len(timesteps))
        plant(scheduler, timesteps, np.interp(timesteps, np.arange(1000), table(scheduler)))
    else:
        scheduler.set_timesteps(timesteps=timesteps)


def k_diffusion_euler_ancestral(scheduler, i, output, sample, noise, eta):
    """`sample_euler_ancestral` for epsilon."""
    a, b = scheduler.sigmas[i].double(), scheduler.sigmas[i + 1].double()
    up = min(b, eta * (b**2 * (a**2 - b**2) / a**2) ** 0.5)
    down = (b**2 - up**2) ** 0.5
    return sample + output * (down - a) + noise * up


class KDiffusionDpmpp2mSde:
    """`sample_dpmpp_2m_sde` (midpoint) for epsilon, on samples whose variance grows."""

    def __init__(self):
        self.old, self.h_last = None, None

    def step(self, scheduler, i, output, sample, noise, eta):
        a, b = scheduler.sigmas[i].double(), scheduler.sigmas[i + 1].double()
        x = sample * (1 + a**2) ** 0.5
        denoised = x - a * output
        if b == 0:
            x = denoised
        else:
            h = a.log() - b.log()
            x = b / a * (-h * eta).exp() * x + (-h - eta * h).expm1().neg() * denoised
            if self.old is not None:
                r = self.h_last / h
                x = x + 0.5 * (-h - eta * h).expm1().neg() * (1 / r) * (denoised - self.old)
            x = x + noise * b * (-2 * eta * h).expm1().neg().sqrt()
            self.h_last = h
        self.old = denoised
        return x / (1 + b**2) ** 0.5


def trajectory(kind, config, steps, strength, options):
    """model(x, t) = 0.6 · x · (t + 1) / (t + 2)

    As in diffusers' own tests but for the factor, without which the predicted sample is a difference of nearly equal
    numbers at high noise.
    """
    scheduler = CLASSES[kind](**config)
    schedule(scheduler, kind, config, steps, options)
    if kind == "euler_ancestral" and config.get("rescale_betas_zero_snr"):
        # Its own code, in f64: in f32 the difference of nearly equal noise levels after the first step (4096 to 5) is
        # off by a twentieth, and by another amount wherever torch takes square roots in another way.
        scheduler.sigmas = scheduler.sigmas.double()
    generator = torch.Generator().manual_seed(SEED)
    start = torch.randn(SHAPE, generator=generator)
    out = {"timesteps": scheduler.timesteps.float()}
    timesteps = scheduler.timesteps
    first = 0
    if strength is None:
        sample = start * float(scheduler.init_noise_sigma)
    else:
        first = steps - int(steps * strength)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        sample = scheduler.add_noise(picture(), start, timesteps[first : first + 1])
        out["begin"] = sample
    extra = {}
    if kind not in ("euler", "dpmpp_2m", "unipc", "ddim"):
        extra["generator"] = generator
    eta = options.get("eta")
    if kind in ("ddim", "tcd") and eta is not None:
        extra.update(eta=eta, generator=generator)
    k_diffusion = KDiffusionDpmpp2mSde()
    samples, denoised = [], []
    count = len(timesteps) - first
    # A few of the steps: the first two, one in the middle, the last two.
    kept = sorted({0, 1, count // 2, count - 2, count - 1} & set(range(count)))
    for i, t in enumerate(timesteps[first:]):
        scaled = scheduler.scale_model_input(sample, t)
        output = scaled * (0.6 * (t + 1) / (t + 2))
        if eta is not None and kind in ("euler_ancestral", "dpmpp_2m_sde"):
            step = k_diffusion_euler_ancestral if kind == "euler_ancestral" else k_diffusion.step
            noise = torch.randn(SHAPE, generator=generator)
            sample = step(scheduler, i, output, sample, noise, eta).float()
            scheduler._step_index = i + 1
        else:
            stepped = scheduler.step(output, t, sample, **extra)
            sample = stepped.prev_sample
            name = "denoised" if kind == "lcm" else "pred_original_sample"
            if hasattr(stepped, name) and i in kept:
                denoised.append(getattr(stepped, name))
        if i in kept:
            samples.append(sample)
    out["samples"] = torch.cat(samples)
    if denoised:
        out["denoised"] = torch.cat(denoised)
    for name, value in out.items():
        assert value.isfinite().all(), (kind, config, steps, name)
    return out, first, kept


def picture():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(SEED + 1))


def trajectories_reference():
    out, cases = {"picture": picture()}, []
    for kind, entries in CASES.items():
        for i, (config, counts, strength, options) in enumerate(entries):
            for steps in counts:
                if steps > 1000 or (kind in ("lcm", "tcd") and steps > config.get("original_inference_steps", 50)):
                    continue
                tensors, first, kept = trajectory(kind, config, steps, strength, options)
                name = f"{kind}.{i}.{steps}" + (f".{strength}" if strength else "")
                out.update({f"{name}.{key}": value for key, value in tensors.items()})
                entry = dict(name=name, scheduler=kind, steps=steps, kept=kept, **options)
                if strength is not None:
                    entry.update(strength=strength, first=first)
                # What is left out has the default of the class.
                cases.append({**entry, "config": {"_class_name": CLASSES[kind].__name__, **config}})
    # Which timesteps are visited, for many numbers of steps: rounding makes some of them surprising.
    counts = [*range(1, 31), 49, 50, 61, 93, 103]
    out["timesteps.counts"] = torch.tensor(counts, dtype=torch.int64)
    for kind in ("euler", "ddim", "dpmpp_2m", "unipc", "lcm", "tcd"):
        for spacing in ("leading", "trailing", "linspace"):
            timesteps = []
            for steps in counts:
                scheduler = CLASSES[kind](timestep_spacing=spacing)
                if kind in ("lcm", "tcd") and steps > 50:
                    continue
                scheduler.set_timesteps(steps)
                timesteps += [torch.tensor([len(scheduler.timesteps)]), scheduler.timesteps]
            if kind in ("lcm", "tcd") and spacing != "leading":
                # They do not look at the spacing.
                assert torch.equal(torch.cat(timesteps).float(), out[f"timesteps.{kind}.leading"])
            else:
                out[f"timesteps.{kind}.{spacing}"] = torch.cat(timesteps).float()
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / "schedulers.safetensors")
    lines = ",\n".join(json.dumps(entry) for entry in cases)
    (OUT / "schedulers.json").write_text(f"[\n{lines}\n]\n")
    # A file as diffusers saves it, with a number that is no JSON.
    text = DPMSolverMultistepScheduler(**SDXL, **SDE, **KARRAS).to_json_string()
    assert "-Infinity" in text
    (OUT / "scheduler_config_infinity.json").write_text(text)


def noise_in_a_row():
    """What one generator draws, call after call: small draws leave a spare number behind, large ones do not see it."""
    out = {}
    counts = [3, 20, 2, 1, 16, 4, 1, 100, 15, 17, 5]
    for seed in (0, 42, 2**33 + 5):
        generator = torch.Generator().manual_seed(seed)
        out[str(seed)] = torch.cat([torch.randn(count, generator=generator) for count in counts])
    out["counts"] = torch.tensor(counts, dtype=torch.int64)
    save_file(out, OUT / "noise_in_a_row.safetensors")


def runs_reference():
    """Two images with a generator each, whose fresh noise continues the noise that they began with."""
    out, cases = {}, []
    for model, (height, width), scale in (("model_a", (16, 24), 5.0), ("model_b", (24, 40), 3.0)):
        pipe = pipeline(model)
        own = pipe.scheduler
        for kind, steps, config, options in [
            ("euler_ancestral", 6, {}, {}),
            ("dpmpp_2m_sde", 6, SDE, {}),
            ("dpmpp_2m_sde", 5, dict(**SDE, **KARRAS), dict(sigmas="karras")),
            ("unipc", 6, {}, {}),
            ("ddim", 5, dict(clip_sample=False), dict(eta=0.5)),
            ("lcm", 4, {}, DMD2),
            ("tcd", 4, {}, dict(eta=0.3)),
        ]:
            pipe.scheduler = CLASSES[kind].from_config(own.config, **config)
            seeds = (3, 2**32 + 9)
            latents = pipe(
                "a blue potion",
                negative_prompt="",
                height=height,
                width=width,
                guidance_scale=scale,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                num_images_per_prompt=2,
                output_type="latent",
                eta=options.get("eta", 0.0),
                **(dict(timesteps=options["timesteps"]) if "timesteps" in options else dict(num_inference_steps=steps)),
            ).images
            name = f"{model}.{len(cases)}"
            out[name] = latents
            cases.append(dict(
                name=name, model=model, scheduler=kind, steps=steps, height_px=height, width_px=width,
                guidance_scale=scale, seeds=seeds, **options,
            ))  # fmt: skip
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / "stochastic_runs.safetensors")
    (OUT / "stochastic_runs.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


@torch.no_grad()
def main():
    torch.use_deterministic_algorithms(True)
    trajectories_reference()
    noise_in_a_row()
    runs_reference()
    for name in ("schedulers", "noise_in_a_row", "stochastic_runs"):
        for file in OUT.glob(f"{name}.*"):
            file.chmod(0o644)
            print(f"{file.stat().st_size / 1e3:.0f} kB {file.name}")


if __name__ == "__main__":
    main()
