"""Trains sprite-tiny: first the VAE, then UNet and text encoders together.

usage: train.py SPRITES.npz CHECKPOINT.pt [--init MODEL_DIR] [--budget-minutes M] [--vae-minutes M] [--unet-minutes M]

Runs for at most the budget, writes the checkpoint and exits; called again with the same checkpoint it goes on. The
learning rate follows the share of the phase's minutes that is used up, so the pieces add up to one schedule. On a
GPU the whole step is one CUDA graph: at this size launching kernels costs more than running them. `--init` starts
from an exported model instead of from nothing, and keeps its VAE: for when the checkpoint is gone.
"""

import argparse
import os
import time

import numpy as np
import torch

from diffusers import AutoencoderKL

import model as M

CANVASES_PX = (16, 32)
# Latents are stored encoded; four variants of each image: as it is, mirrored, and both shifted by a pixel.
VARIANTS = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("checkpoint")
    parser.add_argument("--init", help="an exported model to go on from; its VAE stays as it is")
    parser.add_argument("--budget-minutes", type=float, default=9)
    parser.add_argument("--vae-minutes", type=float, default=2.5)
    parser.add_argument("--unet-minutes", type=float, default=19)
    parser.add_argument("--batch", type=int, default=384, help="32 px images a step; 16 px images are half of it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def to_model_range(images):
    """uint8 [N,H,W,4] to [N,4,H,W] in [-1,1]; colour under transparent pixels is middle grey."""
    x = images.float() / 255
    alpha = (x[..., 3:] > .5).float()
    return (torch.cat([x[..., :3] * alpha + .5 * (1 - alpha), alpha], -1) * 2 - 1).permute(0, 3, 1, 2).contiguous()


class Data:
    """The arrays of one canvas on the device, and a sampler by weight that a CUDA graph can hold."""

    def __init__(self, arrays, canvas_px, device):
        tensor = lambda name: torch.from_numpy(arrays[f"{name}{canvas_px}"]).to(device)
        self.canvas_px = canvas_px
        self.images = to_model_range(tensor("images"))
        self.ids = tensor("ids").long()
        self.size = tensor("size").float()
        self.flip = tensor("flip")
        self.tile = tensor("tile")
        self.cumulative = tensor("weight").double().cumsum(0).div(tensor("weight").double().sum())
        self.latents = None

    def draw(self, n):
        u = torch.rand(n, device=self.cumulative.device, dtype=torch.float64)
        return torch.searchsorted(self.cumulative, u).clamp_max(len(self.cumulative) - 1)

    def variant(self, index, mirrored, shifted):
        x = self.images[index]
        if shifted:  # one pixel to the left; a tile wraps, a sprite gets an empty column
            rolled = x.roll(-1, 3)
            edge = torch.tensor([0., 0, 0, -1], device=x.device).view(1, 4, 1).expand(x.shape[0], 4, x.shape[2])
            rolled[..., -1] = torch.where(self.tile[index].view(-1, 1, 1), rolled[..., -1], edge)
            x = rolled
        if mirrored:
            x = torch.where(self.flip[index].view(-1, 1, 1, 1), x.flip(3), x)
        return x

    @torch.no_grad()
    def encode(self, vae):
        """Latents [VARIANTS,N,C,h,w] of all images."""
        everything = torch.arange(len(self.images), device=self.images.device).split(512)
        self.latents = torch.stack([
            torch.cat([vae.encode(self.variant(k, v & 1, v & 2)).latent_dist.mean for k in everything])
            for v in range(VARIANTS)])


class Phase:
    """A loop over one captured step that stops at the budget and can be resumed."""

    def __init__(self, name, parameters, minutes, peak_rate, warmup_steps, flat, device, weight_decay):
        self.name, self.parameters, self.seconds = name, parameters, minutes * 60
        self.peak_rate, self.warmup_steps, self.flat = peak_rate, warmup_steps, flat
        self.rate = torch.tensor(peak_rate, device=device)
        cuda = device.startswith("cuda")
        self.optimizer = torch.optim.AdamW(
            parameters, self.rate, betas=(.9, .99), weight_decay=weight_decay, capturable=cuda, fused=cuda)
        self.ema = [p.detach().clone() for p in parameters]
        self.steps, self.elapsed, self.running = 0, 0., None

    def state(self):
        return {"optimizer": self.optimizer.state_dict(), "ema": self.ema, "steps": self.steps, "elapsed": self.elapsed}

    def load(self, state):
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.ema = state["ema"]
        self.steps, self.elapsed = state["steps"], state["elapsed"]

    def schedule(self):
        used = min(1., self.elapsed / self.seconds)
        decay = 1. if used < self.flat else max(.01, (1 - used) / (1 - self.flat))
        return self.peak_rate * min(1., self.steps / self.warmup_steps) * decay

    def use_ema(self):
        with torch.no_grad():
            for p, e in zip(self.parameters, self.ema):
                p.copy_(e)

    def run(self, step, deadline):
        """Trains until the phase or the budget is over; returns whether the phase is complete."""
        if self.elapsed >= self.seconds:
            return True
        self.rate.fill_(self.schedule())  # capturing takes a few real steps
        replay, output = captured(step) if self.rate.is_cuda else (None, None)
        last = time.time()
        while self.elapsed < self.seconds and time.time() < deadline:
            self.rate.fill_(self.schedule())
            if replay:
                replay()
            else:
                output = step()
            self.steps += 1
            if self.steps % 10 == 0:
                keep = min(.9997, (1 + self.steps) / (10 + self.steps)) ** 10
                torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - keep)
                self.running = output.clone() if self.running is None else self.running.lerp(output, .02)
            if self.steps % 50 == 0 and replay:
                torch.cuda.synchronize()
            now = time.time()
            self.elapsed, last = self.elapsed + now - last, now
            if self.steps % 1000 == 0:
                print(f"{self.name} step {self.steps} loss {[round(v, 4) for v in self.running.tolist()]} "
                      f"rate {self.rate.item():.1e} {self.elapsed:.0f} s", flush=True)
        print(f"{self.name}: {self.steps} steps, {self.elapsed:.0f} s", flush=True)
        return self.elapsed >= self.seconds


def captured(step, warm_up=4):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(warm_up):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = step()
    return graph.replay, output


def autocast(device):
    kind = "cuda" if device.startswith("cuda") else "cpu"
    return torch.autocast(kind, torch.bfloat16, cache_enabled=False, enabled=kind == "cuda")


def vae_step(vae, data, batch, phase, device):
    def one(d, n):
        k = d.draw(n)
        mirrored = (torch.rand(n, device=device) < .5) & d.flip[k]
        x = torch.where(mirrored.view(-1, 1, 1, 1), d.images[k].flip(3), d.images[k])
        x = x.to(memory_format=torch.channels_last)
        with autocast(device):
            posterior = vae.encode(x).latent_dist
            z = posterior.mean + torch.exp(.5 * posterior.logvar) * torch.randn_like(posterior.mean)
            y = vae.decode(z).sample
        # Colour counts where something is drawn; alpha counts everywhere.
        seen = (x[:, 3:] > 0).float().expand(-1, 3, -1, -1) * .95 + .05
        error = (y.float() - x) * torch.cat([seen, torch.ones_like(x[:, 3:])], 1)
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = .5 * (mean ** 2 + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / d.canvas_px ** 2
        return error.abs().mean() + (error ** 2).mean() + 1.6e-4 * kl, error[:, :3].abs().mean().detach()

    def step():
        phase.optimizer.zero_grad(set_to_none=True)
        (small, _), (large, l1) = one(data[0], batch // 4), one(data[1], batch * 5 // 8)
        (.25 * small + large).backward()
        torch.nn.utils.clip_grad_norm_(phase.parameters, 1.)
        phase.optimizer.step()
        return torch.stack([large.detach(), l1])
    return step


def unet_step(unet, encoders, data, scale, batch, phase, device):
    alphas = M.build_scheduler().alphas_cumprod.to(device)
    nothing = torch.tensor(EMPTY_IDS, device=device)

    def one(d, n):
        k = d.draw(n)
        z = d.latents[torch.randint(VARIANTS, (n,), device=device), k] * scale
        z = z.to(memory_format=torch.channels_last)
        ids = d.ids[k, torch.randint(d.ids.shape[1], (n,), device=device)]
        ids = torch.where(torch.rand(n, 1, device=device) < .1, nothing, ids)
        zero, canvas = torch.zeros_like(d.size[k]), torch.full_like(d.size[k], d.canvas_px)
        # Users ask for the full size. Telling the model so for some of the smaller sprites too keeps what only
        # those show (many creatures, most chests) within its reach.
        size = torch.where(torch.rand(n, device=device) < .35, canvas, d.size[k])
        time_ids = torch.stack([size, size, zero, zero, canvas, canvas], 1)
        t = torch.randint(1000, (n,), device=device)
        noise, a = torch.randn_like(z), alphas[t].view(-1, 1, 1, 1)
        noisy, velocity = a.sqrt() * z + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * z
        with autocast(device):
            context, pooled = M.encode_text(encoders, ids)
            out = unet(noisy, t, context, return_dict=False,
                       added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids})[0]
        # Min-SNR weighting (Hang et al. 2023) for v-prediction; the floor keeps zero SNR in the loss.
        snr = (a / (1 - a).clamp_min(1e-8)).flatten()
        weight = snr.clamp_max(5.) / (snr + 1) + .05
        return (((out.float() - velocity) ** 2).mean((1, 2, 3)) * weight).mean()

    def step():
        phase.optimizer.zero_grad(set_to_none=True)
        small, large = one(data[0], batch // 2), one(data[1], batch)
        (.4 * small + large).backward()
        torch.nn.utils.clip_grad_norm_(phase.parameters, 1.)
        phase.optimizer.step()
        return torch.stack([small.detach(), large.detach()])
    return step


EMPTY_IDS = [M.BOS_ID] + [M.EOS_ID] * (M.LENGTH - 1)


def trained_parameters(unet, encoders, device):
    """Those that a gradient reaches: SDXL leaves the last layer of the first text encoder unused."""
    context, pooled = M.encode_text(encoders, torch.tensor([EMPTY_IDS], device=device))
    out = unet(torch.randn(1, M.LATENT_CHANNELS, 8, 8, device=device), torch.tensor([1], device=device), context,
               added_cond_kwargs={"text_embeds": pooled, "time_ids": torch.zeros(1, 6, device=device)}).sample
    out.sum().backward()
    found = [p for m in (*encoders, unet) for p in m.parameters() if p.grad is not None]
    for p in found:
        p.grad = None
    return found


def main():
    args = arguments()
    deadline = time.time() + args.budget_minutes * 60
    device = args.device
    torch.manual_seed(int.from_bytes(os.urandom(4), "little"))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    arrays = np.load(args.data)
    data = [Data(arrays, canvas_px, device) for canvas_px in CANVASES_PX]
    saved = torch.load(args.checkpoint, map_location=device) if os.path.exists(args.checkpoint) else {}

    vae, encoders, unet = M.build_vae().to(device), [m.to(device) for m in M.build_text_encoders()], M.build_unet().to(device)
    M.check_text_encoder([m.eval() for m in encoders], data[1].ids[:4, 0])
    for module in (*encoders, unet):
        module.train()
    parts = {"vae": vae, "unet": unet, "text_encoder": encoders[0], "text_encoder_2": encoders[1]}
    print({name: f"{sum(p.numel() for p in part.parameters()) / 1e6:.2f} M" for name, part in parts.items()}, flush=True)
    for name, part in parts.items():
        if name in saved:
            part.load_state_dict(saved[name])
        elif args.init:
            part.load_state_dict(type(part).from_pretrained(f"{args.init}/{name}").state_dict())
    vae, unet = vae.to(memory_format=torch.channels_last), unet.to(memory_format=torch.channels_last)
    vae_minutes = 0 if args.init else args.vae_minutes
    vae_phase = Phase("vae", list(vae.parameters()), vae_minutes, 8e-4, 200, 0., device, 0.)
    unet_phase = Phase("unet", trained_parameters(unet, encoders, device), args.unet_minutes, 1e-3, 1000, .45, device, .01)
    for phase in (vae_phase, unet_phase):
        if f"{phase.name}_phase" in saved:
            phase.load(saved[f"{phase.name}_phase"])

    if vae_phase.run(vae_step(vae, data, args.batch, vae_phase, device), deadline):
        vae_phase.use_ema()
        vae.eval().requires_grad_(False)
        for d in data:
            d.encode(vae)
        spread = data[1].latents[0].std()
        print("latent std", spread.item(), flush=True)
        scale = AutoencoderKL.load_config(f"{args.init}/vae")["scaling_factor"] if args.init else 1 / spread.item()
        vae.register_to_config(scaling_factor=round(scale, 5))
        unet_phase.run(unet_step(unet, encoders, data, vae.config.scaling_factor, args.batch, unet_phase, device), deadline)
    torch.save({**{name: part.state_dict() for name, part in parts.items()}, "vae_phase": vae_phase.state(),
                "unet_phase": unet_phase.state(), "scaling_factor": vae.config.scaling_factor}, args.checkpoint)


if __name__ == "__main__":
    main()
