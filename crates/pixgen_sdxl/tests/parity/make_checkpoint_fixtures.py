"""Builds the name tables of the checkpoint tests: every tensor of an SDXL, in diffusers' and in single-file naming.

README.md says with which versions. Writes `checkpoints/`. No weights are involved: the models exist as shapes.

A table has one line per tensor of the diffusers layout, separated by tabs: component, name, shape, name in the single
file, shape there, and which part of the stored tensor it is (`-` for all of it, `k/3` for the k-th third of the rows,
`T` for the transposed matrix). The names of the single file are written here by the rules of the latent diffusion
code; diffusers' own converters, which are what reads such files, then have to give back every tensor under its name.
"""

import gzip
import json
from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

OUT = Path(__file__).parent / "fixtures" / "checkpoints"

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP_L = "conditioner.embedders.0.transformer."
CLIP_G = "conditioner.embedders.1.model."


def sdxl_unet(**changes):
    config = dict(
        block_out_channels=(320, 640, 1280), layers_per_block=2, sample_size=128, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(5, 10, 20),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
        transformer_layers_per_block=(1, 2, 10), projection_class_embeddings_input_dim=2816, cross_attention_dim=2048,
    )  # fmt: skip
    return {**config, **changes}


def sdxl_vae(**changes):
    config = dict(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, in_channels=3, out_channels=3, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=32,
        sample_size=1024, scaling_factor=0.13025, force_upcast=True,
    )  # fmt: skip
    return {**config, **changes}


CLIP = dict(vocab_size=49408, max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1)
SDXL = dict(
    unet=sdxl_unet(),
    vae=sdxl_vae(),
    text_encoder=dict(
        CLIP, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        hidden_act="quick_gelu", projection_dim=768,
    ),
    text_encoder_2=dict(
        CLIP, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
        hidden_act="gelu", projection_dim=1280,
    ),
)  # fmt: skip

# The distilled models differ in the UNet only: fewer transformer blocks, none in the middle.
DISTILLED = dict(mid_block_type="UNetMidBlock2D")
MODELS = {
    "sdxl": SDXL,
    "ssd_1b": dict(unet=sdxl_unet(
        transformer_layers_per_block=(0, (2, 2), (4, 4)), reverse_transformer_layers_per_block=((4, 4, 10), (2, 1, 1), 0),
        **DISTILLED,
    )),
    "vega": dict(unet=sdxl_unet(transformer_layers_per_block=(1, 1, 2), **DISTILLED)),
    # Small, with the numbers that shapes do not tell as in SDXL: 32 groups, 64 channels per head. Two levels, one layer
    # each, one transformer block on the way down and in the middle. The vocabulary is that of model_a.
    "tiny": dict(
        unet=sdxl_unet(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=128, attention_head_dim=(1, 1),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 1), addition_time_embed_dim=8, cross_attention_dim=192,
            projection_class_embeddings_input_dim=6 * 8 + 96,
        ),
        vae=sdxl_vae(
            block_out_channels=(32, 64), layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        ),
        text_encoder=dict(
            CLIP, vocab_size=714, hidden_size=64, intermediate_size=80, num_hidden_layers=3, num_attention_heads=1,
            hidden_act="quick_gelu", projection_dim=64,
        ),
        # Neither the projection nor the inner layer is square, so that a transposed weight is noticed.
        text_encoder_2=dict(
            CLIP, vocab_size=714, hidden_size=128, intermediate_size=72, num_hidden_layers=2, num_attention_heads=2,
            hidden_act="gelu", projection_dim=96,
        ),
    ),
}  # fmt: skip


def shapes(component, config):
    cls = {
        "unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
    }[component]  # fmt: skip
    with init_empty_weights():
        model = cls(CLIPTextConfig(**config)) if component.startswith("text") else cls(**config)
    names = {name: tuple(p.shape) for name, p in model.named_parameters()}
    if component.startswith("text"):
        # As on the hub: transformers 5 leaves the prefix out.
        with_prefix = lambda name: name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"
        names = {with_prefix(name): shape for name, shape in names.items()}
    return names


RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip


def ldm_unet_name(name, config):
    layers = config["layers_per_block"]
    fixed = {
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    }  # fmt: skip
    module, kind = name.rsplit(".", 1)
    if module in fixed:
        return f"{fixed[module]}.{kind}"
    parts = name.split(".")
    resnet = lambda rest: f"{RESNET[rest[0]]}.{rest[1]}"
    if parts[0] == "mid_block":
        if parts[1] == "attentions":
            return ".".join(["middle_block.1", *parts[3:]])
        return f"middle_block.{2 * int(parts[2])}.{resnet(parts[3:])}"
    block, kind, layer, rest = int(parts[1]), parts[2], int(parts[3]), parts[4:]
    if parts[0] == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest[1]}"
        at = 1 + block * (layers + 1) + layer
        return f"input_blocks.{at}.0.{resnet(rest)}" if kind == "resnets" else ".".join([f"input_blocks.{at}.1", *rest])
    at = block * (layers + 1) + layer
    if kind == "upsamplers":
        attends = config["up_block_types"][block].startswith("CrossAttn")
        return f"output_blocks.{at + layers}.{2 if attends else 1}.conv.{rest[1]}"
    return f"output_blocks.{at}.0.{resnet(rest)}" if kind == "resnets" else ".".join([f"output_blocks.{at}.1", *rest])


def ldm_vae_name(name, config):
    levels = len(config["block_out_channels"])
    parts = name.split(".")
    if parts[0] in ("quant_conv", "post_quant_conv") or parts[1] in ("conv_in", "conv_out"):
        return name
    half = parts[0]
    resnet = lambda rest: ".".join(rest).replace("conv_shortcut", "nin_shortcut")
    if parts[1] == "conv_norm_out":
        return f"{half}.norm_out.{parts[2]}"
    if parts[1] == "mid_block":
        if parts[2] == "resnets":
            return f"{half}.mid.block_{int(parts[3]) + 1}.{resnet(parts[4:])}"
        layer = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[parts[4]]
        return f"{half}.mid.attn_1.{layer}.{parts[-1]}"
    level = int(parts[2])
    down = parts[1] == "down_blocks"
    at = f"{half}.down.{level}" if down else f"{half}.up.{levels - 1 - level}"
    if parts[3] == "resnets":
        return f"{at}.block.{parts[4]}.{resnet(parts[5:])}"
    return f"{at}.{'downsample' if down else 'upsample'}.conv.{parts[-1]}"


def open_clip_name(name):
    """The stored name and the part of it."""
    fixed = {
        "text_model.embeddings.token_embedding.weight": ("token_embedding.weight", "-"),
        "text_model.embeddings.position_embedding.weight": ("positional_embedding", "-"),
        "text_model.final_layer_norm.weight": ("ln_final.weight", "-"),
        "text_model.final_layer_norm.bias": ("ln_final.bias", "-"),
        "text_projection.weight": ("text_projection", "T"),
    }
    if name in fixed:
        return fixed[name]
    _, _, _, layer, *module, kind = name.split(".")
    module = ".".join(module)
    at = f"transformer.resblocks.{layer}"
    for i, which in enumerate(("q_proj", "k_proj", "v_proj")):
        if module == f"self_attn.{which}":
            return f"{at}.attn.in_proj_{kind}", f"{i}/3"
    module = {
        "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
    }[module]  # fmt: skip
    return f"{at}.{module}.{kind}", "-"


def row(component, name, shape, config):
    part, stored_shape = "-", shape
    if component == "unet":
        stored = UNET + ldm_unet_name(name, config)
    elif component == "vae":
        stored = VAE + ldm_vae_name(name, config)
        if ".attn_1." in stored and len(shape) == 2:
            stored_shape = (*shape, 1, 1)
    elif component == "text_encoder":
        stored = CLIP_L + name
    else:
        stored, part = open_clip_name(name)
        stored = CLIP_G + stored
        if part == "T":
            stored_shape = (shape[1], shape[0])
        elif part != "-":
            stored_shape = (3 * shape[0], *shape[1:])
    return component, name, shape, stored, stored_shape, part


def check_with_diffusers(rows, model):
    """diffusers' converters must find under every name a tensor of its shape, filled with the number of its line."""
    checkpoint = {}
    for number, (_, _, shape, stored, stored_shape, part) in enumerate(rows):
        value = torch.tensor(number, dtype=torch.int16)
        if part.endswith("/3"):
            tensor = checkpoint.setdefault(stored, torch.empty(stored_shape, dtype=torch.int16))
            tensor[int(part[0]) * shape[0] : (int(part[0]) + 1) * shape[0]] = value
        else:
            checkpoint[stored] = value.expand(stored_shape)
    converted = {"unet": convert_ldm_unet_checkpoint(checkpoint, model["unet"])}
    if "vae" in model:
        converted["vae"] = convert_ldm_vae_checkpoint(checkpoint, model["vae"])
        converted["text_encoder"] = {k.removeprefix(CLIP_L): v for k, v in checkpoint.items() if k.startswith(CLIP_L)}
        # diffusers splits in_proj by the rows of text_projection, which are the width.
        with init_empty_weights():
            second = CLIPTextModelWithProjection(CLIPTextConfig(**model["text_encoder_2"]))
        second = convert_open_clip_checkpoint(second, checkpoint, prefix=CLIP_G)
        # transformers 5's converters leave the prefix out where the model does.
        converted["text_encoder_2"] = second
    seen = {component: set() for component in converted}
    for number, (component, name, shape, *_) in enumerate(rows):
        found = converted[component][name]
        assert tuple(found.shape) == shape, (name, found.shape, shape)
        assert (found == number).all(), name
        seen[component].add(name)
    for component, names in seen.items():
        assert names == set(converted[component]), (component, names ^ set(converted[component]))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for model, components in MODELS.items():
        rows = [
            row(component, name, shape, config)
            for component, config in components.items()
            for name, shape in shapes(component, config).items()
        ]
        stored = {(name, shape) for *_, name, shape, _ in rows}
        print(model, len(rows), "tensors in the folder,", len(stored), "in the single file")
        if model == "sdxl":
            # The published file has 2,515: these, position_ids and logit_scale.
            assert (len(rows), len(stored)) == (2641, 2513)
        check_with_diffusers(rows, components)
        numbers = lambda shape: ",".join(map(str, shape))
        lines = ["\t".join([c, n, numbers(s), l, numbers(ls), p]) for c, n, s, l, ls, p in rows]
        with gzip.GzipFile(OUT / f"{model}_tensors.tsv.gz", "wb", compresslevel=9, mtime=0) as file:
            file.write(("\n".join(lines) + "\n").encode())
    # What each table belongs to, as diffusers and transformers configure it.
    (OUT / "configs.json").write_text(json.dumps(MODELS, indent=1) + "\n")


if __name__ == "__main__":
    main()
