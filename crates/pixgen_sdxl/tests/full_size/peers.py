"""Times diffusers on an NVIDIA card: the peer that `examples/gpu_speed.rs` is held against, in the same run.

usage: peers.py [eager] [vae] [whole] [compiled]

    pip install torch diffusers==0.42.1 transformers

Random weights of SDXL's real shapes in f16, channels last. One JSON object a line, medians. Without names: everything;
`compiled` takes minutes, because torch.compile does.
"""

import json
import statistics
import sys
import time

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel

from make_reference import configs

DTYPE = torch.float16
SHAPES = ((2, 1024), (1, 1024), (8, 1024), (1, 512), (2, 512), (16, 512))
GUIDANCE = 5.0


def say(**row):
    print(json.dumps(row), flush=True)


def median(work, repetitions=5, warm=2):
    for _ in range(warm):
        work()
    times = []
    for _ in range(repetitions):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) * 1e3)
    return round(statistics.median(times), 2)


def on_card(make):
    torch.set_default_dtype(DTYPE)
    with torch.device("cuda"):
        module = make()
    torch.set_default_dtype(torch.float32)
    return module.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def new_unet():
    return on_card(lambda: UNet2DConditionModel(**configs(False)[0]))


def new_vae():
    return on_card(lambda: AutoencoderKL(**configs(False)[3]))


def randn(*shape):
    return torch.randn(*shape, device="cuda", dtype=DTYPE)


def step_inputs(batch, px):
    sample = randn(batch, 4, px // 8, px // 8).to(memory_format=torch.channels_last)
    sizes = torch.tensor([[px, px, 0, 0, px, px]] * batch, device="cuda", dtype=DTYPE)
    added = {"text_embeds": randn(batch, 1280), "time_ids": sizes}
    return (sample, torch.tensor(501.0, device="cuda"), randn(batch, 77, 2048)), {"added_cond_kwargs": added}


def time_steps(engine, unet, shapes):
    for batch, px in shapes:
        positional, named = step_inputs(batch, px)
        ms = median(lambda: unet(*positional, return_dict=False, **named), 9, 3)
        say(engine=engine, what="unet step", batch=batch, px=px, ms=ms)


def eager():
    time_steps("diffusers eager", new_unet(), SHAPES)


def compiled():
    unet = new_unet()
    unet.fuse_qkv_projections()
    # A batch of one waits for its launches unless they are a graph.
    for shape, mode in (((2, 1024), "default"), ((1, 512), "reduce-overhead"), ((1, 1024), "reduce-overhead")):
        time_steps("diffusers torch.compile", torch.compile(unet, mode=mode, fullgraph=True), (shape,))
        torch._dynamo.reset()


def vae():
    decoder = new_vae()
    for px in (1024, 512):
        latent = randn(1, 4, px // 8, px // 8)
        ms = median(lambda: decoder.decode(latent, return_dict=False))
        say(engine="diffusers eager", what="vae decode", batch=1, px=px, ms=ms)


def whole():
    unet, decoder = new_unet(), new_vae()
    scheduler = EulerDiscreteScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear",
                                       timestep_spacing="leading", steps_offset=1)

    def draw(steps, images, guided, px):
        scheduler.set_timesteps(steps, device="cuda")
        x = randn(images, 4, px // 8, px // 8) * scheduler.init_noise_sigma
        (_, _, context), named = step_inputs(images * (2 if guided else 1), px)
        for t in scheduler.timesteps:
            model_input = scheduler.scale_model_input(torch.cat([x] * 2) if guided else x, t)
            output = unet(model_input, t, context, return_dict=False, **named)[0]
            if guided:
                without, with_prompt = output.chunk(2)
                output = without + GUIDANCE * (with_prompt - without)
            x = scheduler.step(output, t, x, return_dict=False)[0]
        return decoder.decode(x, return_dict=False)[0]

    for steps, images, guided, px in ((30, 1, True, 1024), (4, 1, False, 1024), (30, 8, True, 1024), (30, 1, True, 512)):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        ms = median(lambda: draw(steps, images, guided, px), 3, 1)
        say(engine="diffusers eager, without text encoders", what="whole image", steps=steps, batch=images, cfg=guided,
            px=px, ms=ms, peak_gb=round(torch.cuda.max_memory_allocated() / 1e9, 2))


if __name__ == "__main__":
    say(torch=torch.__version__, cudnn=torch.backends.cudnn.version(), gpu=torch.cuda.get_device_name(0))
    with torch.no_grad():
        for part in sys.argv[1:] or ["eager", "vae", "whole", "compiled"]:
            {"eager": eager, "vae": vae, "whole": whole, "compiled": compiled}[part]()
