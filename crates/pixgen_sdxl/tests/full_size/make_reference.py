"""A full-size SDXL with random weights, and what diffusers makes of it on a GPU.

usage: make_reference.py OUT_DIR [--tiny]

    pip install torch diffusers==0.42.1 transformers safetensors

Writes `OUT_DIR/model` (diffusers layout, f16), `OUT_DIR/lora.safetensors` (kohya's names, rank 16, all attention and
feed-forward layers) and `OUT_DIR/reference.safetensors`: inputs, and the outputs of diffusers in f32 (TF32 off), f16 and
bf16. `cargo run --release -p pixgen_sdxl --features cuda --example full_size -- OUT_DIR` compares. `--tiny` rehearses the
same on a CPU with a few thousand weights.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

MERGES = Path(__file__).parent / "../../src/tokenizer/clip_merges.txt"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
PROMPT, NEGATIVE = "a medieval knight with a silver sword, pixel art", "blurry"
STEPS, GUIDANCE, SEED = 8, 5.0, 7
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
RANK = 16


def configs(tiny):
    unet = dict(
        in_channels=4, out_channels=4, sample_size=128, layers_per_block=2, use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), addition_embed_type="text_time")
    text = dict(vocab_size=49408, max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407)
    vae = dict(
        in_channels=3, out_channels=3, latent_channels=4, scaling_factor=0.13025, sample_size=1024, layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    if tiny:
        unet |= dict(
            block_out_channels=(32, 64, 64), attention_head_dim=(1, 2, 2), transformer_layers_per_block=(1, 1, 2),
            cross_attention_dim=48, addition_time_embed_dim=8, projection_class_embeddings_input_dim=80)
        size = lambda hidden: dict(hidden_size=hidden, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2)
        first, second = size(16), size(32) | dict(projection_dim=32)
        vae |= dict(block_out_channels=(32,) * 4)
    else:
        unet |= dict(
            block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20),
            transformer_layers_per_block=(1, 2, 10), cross_attention_dim=2048, addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816)
        first = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        second = dict(
            hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280)
        vae |= dict(block_out_channels=(128, 256, 512, 512))
    return unet, text | first | dict(hidden_act="quick_gelu"), text | second | dict(hidden_act="gelu"), vae


def built(make, device, seed):
    """The module in f32 on the device, its weights f16 numbers of a sensible size."""
    with torch.device("meta"):
        module = make()
    module = module.to_empty(device=device).eval().requires_grad_(False)
    generator = torch.Generator(device).manual_seed(seed)
    for name, p in module.named_parameters():
        p.normal_(generator=generator)
        if p.dim() > 1:
            p.mul_(.6 * p[0].numel() ** -.5 if "embedding" not in name or "linear" in name else .05)
        else:
            p.mul_(.1 if name.endswith("weight") else .02).add_(1. if name.endswith("weight") else 0.)
        p.copy_(p.half())
    for name, buffer in module.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
    return module


def write_tokenizers(folder):
    merges = [line for line in MERGES.read_text().splitlines() if line and not line.startswith("#version")]
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]
    tokens = letters + [b + "</w>" for b in letters] + [m.replace(" ", "") for m in merges] + [BOS, EOS]
    assert len(tokens) == 49408
    for name, pad in (("tokenizer", EOS), ("tokenizer_2", "!")):
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
        (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        special = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": pad}
        (path / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special}))
        (path / "special_tokens_map.json").write_text(json.dumps(special))


def write_lora(unet, path, device):
    generator = torch.Generator(device).manual_seed(99)
    tensors = {}
    for name, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and "transformer_blocks" in name:
            key = "lora_unet_" + name.replace(".", "_")
            random = lambda *shape: torch.randn(*shape, generator=generator, device=device).mul_(.02).half().cpu()
            tensors[f"{key}.lora_down.weight"] = random(RANK, module.in_features)
            tensors[f"{key}.lora_up.weight"] = random(module.out_features, RANK)
            tensors[f"{key}.alpha"] = torch.tensor(8.)
    save_file(tensors, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path), parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    began = time.time()
    say = lambda text: print(f"{time.time() - began:6.1f} s  {text}", flush=True)
    device = "cpu" if args.tiny else "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = args.out / "model"
    write_tokenizers(model)
    unet, first, second, vae = configs(args.tiny)
    parts = dict(
        unet=built(lambda: UNet2DConditionModel(**unet), device, 1), vae=built(lambda: AutoencoderKL(**vae), device, 2),
        text_encoder=built(lambda: CLIPTextModel(CLIPTextConfig(**first)), device, 3),
        text_encoder_2=built(lambda: CLIPTextModelWithProjection(CLIPTextConfig(**second)), device, 4))
    say("built")
    pipe = StableDiffusionXLPipeline(
        **parts, tokenizer=CLIPTokenizer.from_pretrained(model / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(model / "tokenizer_2"), add_watermarker=False,
        scheduler=EulerDiscreteScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear",
                                         timestep_spacing="leading", steps_offset=1))
    pipe.set_progress_bar_config(disable=True)
    write_lora(parts["unet"], args.out / "lora.safetensors", device)

    sizes_px = (64, 32) if args.tiny else (1024, 512)
    out = {}
    # Given as f32 numbers: drawn in half precision, the same seed may mean other noise.
    noise = lambda size, seed: randn(1, 4, size // 8, size // 8, seed=seed)
    randn = lambda *shape, seed: torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    context = unet["cross_attention_dim"]
    pooled = second["projection_dim"]
    for size in sizes_px:
        out[f"{size}.sample"] = randn(2, 4, size // 8, size // 8, seed=size)
        out[f"{size}.context"], out[f"{size}.pooled"] = randn(2, 77, context, seed=size + 1), randn(2, pooled, seed=size + 2)
        out[f"{size}.vae_latent"] = randn(1, 4, size // 8, size // 8, seed=size + 3) * .8
    for name, dtype in DTYPES.items():
        pipe.to(dtype=dtype)
        for size in sizes_px:
            to = lambda key: out[f"{size}.{key}"].to(device, dtype)
            time_ids = torch.tensor([[size, size, 0, 0, size, size]] * 2, device=device, dtype=dtype)
            out[f"{size}.unet.{name}"] = pipe.unet(
                to("sample"), torch.tensor(501., device=device), to("context"),
                added_cond_kwargs={"text_embeds": to("pooled"), "time_ids": time_ids}).sample.float().cpu()
            # SDXL's autoencoder is not run in f16.
            if name != "f16":
                out[f"{size}.vae.{name}"] = pipe.vae.decode(to("vae_latent") / .13025).sample.clamp(-1, 1).float().cpu()
            out[f"{size}.latents.{name}"] = pipe(
                PROMPT, negative_prompt=NEGATIVE, height=size, width=size, num_inference_steps=STEPS,
                guidance_scale=GUIDANCE, latents=noise(size, SEED).to(device, dtype), output_type="latent",
            ).images.float().cpu()
            say(f"{name}, {size} px, output std {out[f'{size}.unet.{name}'].std():.3f}, "
                f"latent std {out[f'{size}.latents.{name}'].std():.3f}")
        if name == "f16":
            pipe.save_pretrained(model)
            say("saved")
    save_file({k: v.contiguous() for k, v in out.items()}, args.out / "reference.safetensors")
    say("done")


if __name__ == "__main__":
    with torch.no_grad():
        main()
