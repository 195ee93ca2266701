"""Builds the adapter fixtures of src/lora/parity_tests.rs and tests/parity/adapters.rs.

README.md says what must be there before. Writes, to `lora/`, adapter files of every kind for model_a, and the weights that
the reference implementations make of them: diffusers with PEFT for LoRA of linear layers and convolutions and for PEFT's
DoRA, LyCORIS for everything else. `expected.safetensors` holds `<case>|<component>|<weight>` and `<case>|strength`.
"""

import json
import shutil
import warnings

import torch
import torch.nn.functional as F
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.training_utils import _collate_lora_metadata
from lycoris.modules.full import FullModule
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

import tiny_models

OUT = tiny_models.OUT / "lora"
expected = {}
generator = torch.Generator().manual_seed(1)


def randn(*shape, scale=1.0):
    return torch.randn(shape, generator=generator) * scale


def pipeline():
    return tiny_models.pipeline("model_a", vae=None, scheduler=EulerDiscreteScheduler())


def record(case, component, name, value):
    """Names of text encoders are kept without `text_model.`: transformers has it or not, by version."""
    expected[f"{case}|{component}|{name.removeprefix('text_model.')}"] = value.detach().float().clone().contiguous()


def unet_output(pipe):
    """The first case of make_fixtures.py's `parts_reference`."""
    parts = load_file(tiny_models.OUT / "model_a_parts.safetensors")
    given = lambda name: parts[f"unet.0.{name}"]
    return pipe.unet(
        given("sample"),
        given("timestep"),
        encoder_hidden_states=given("context"),
        added_cond_kwargs={"text_embeds": given("pooled"), "time_ids": given("time_ids")},
    ).sample


def fused_by_diffusers(case, file, strength):
    """The weights that diffusers merges, and what the parts compute with them."""
    pipe = pipeline()
    originals = {
        c: {k: v.clone() for k, v in getattr(pipe, c).state_dict().items()} for c in ("unet", "text_encoder", "text_encoder_2")
    }
    pipe.load_lora_weights(str(OUT), weight_name=file)
    pipe.fuse_lora(components=["unet", "text_encoder", "text_encoder_2"], lora_scale=strength)
    expected[f"{case}|strength"] = torch.tensor(strength)
    changed = 0
    for component, before in originals.items():
        for name, module in getattr(pipe, component).named_modules():
            if hasattr(module, "base_layer"):
                weight = module.base_layer.weight
                assert not torch.equal(weight, before[f"{name}.weight"]), f"{case}: {component} {name} did not change"
                record(case, component, f"{name}.weight", weight)
                changed += 1
    modules = {k.rsplit(".lora_", 1)[0].rsplit("_lora.", 1)[0].rsplit(".lora.", 1)[0] for k in load_file(OUT / file)}
    modules = {m for m in modules if not m.endswith(".alpha")}
    print(f"{case}: {changed} weights of {len(modules)} modules")
    assert changed == len(modules), sorted(modules)
    return pipe


def kohya(case, file, names, dtype, strength):
    """A file as sd-scripts writes it, with alphas that differ from the ranks."""
    pipe = pipeline()
    out = {}
    for index, (spelled, component, path) in enumerate(names):
        weight = dict(getattr(pipe, component).named_modules())[path].weight
        # diffusers 0.42 gives attention layers, and all layers of a text encoder, the most frequent alpha of the file
        # instead of their own: here they have that one.
        step = index if component == "unet" else 5
        rank = 1 + step % 4
        alpha = 1.5 if component == "unet" and "attn" in path else rank * (0.5 + 0.25 * step)
        kernel = weight.shape[2:]
        out[f"{spelled}.lora_down.weight"] = randn(rank, *weight.shape[1:], scale=0.3)
        out[f"{spelled}.lora_up.weight"] = randn(weight.shape[0], rank, *[1] * len(kernel), scale=0.3)
        out[f"{spelled}.alpha"] = torch.tensor(alpha)
    frequency = {"10_potions": {"potion": 12, "blue": 4}, "5_more": {"potion": 5, "red": 4}}
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0", "ss_network_module": "networks.lora", "ss_network_dim": "4",
        "ss_output_name": "potions", "ss_tag_frequency": json.dumps(frequency),
    }  # fmt: skip
    save_file({k: v.to(dtype).contiguous() for k, v in out.items()}, OUT / file, metadata=metadata)
    fused_by_diffusers(case, file, strength)


def flat(name):
    return name.replace(".", "_")


def kohya_files():
    # model_a has two levels of two layers: input blocks 1, 2 and 3 (downsampler) belong to the first, 4 and 5 to the
    # second; output blocks 0 to 2 (and the upsampler) to the second, 3 to 5 to the first.
    ldm = [
        ("input_blocks.4.1.transformer_blocks.0.attn1.to_q", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"),
        ("input_blocks.4.1.transformer_blocks.1.attn2.to_k", "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k"),
        ("input_blocks.5.1.transformer_blocks.0.attn1.to_out.0", "down_blocks.1.attentions.1.transformer_blocks.0.attn1.to_out.0"),
        ("middle_block.1.transformer_blocks.0.ff.net.2", "mid_block.attentions.0.transformer_blocks.0.ff.net.2"),
        ("output_blocks.1.1.proj_in", "up_blocks.0.attentions.1.proj_in"),
        ("input_blocks.4.0.skip_connection", "down_blocks.1.resnets.0.conv_shortcut"),
        ("input_blocks.1.0.in_layers.2", "down_blocks.0.resnets.0.conv1"),
        ("output_blocks.3.0.emb_layers.1", "up_blocks.1.resnets.0.time_emb_proj"),
        ("input_blocks.3.0.op", "down_blocks.0.downsamplers.0.conv"),
        ("output_blocks.2.2.conv", "up_blocks.0.upsamplers.0.conv"),
    ]  # fmt: skip
    text = [
        # Not an attention layer of the first encoder: diffusers 0.42 loses those with transformers 5.
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder", "encoder.layers.0.mlp.fc1"),
        ("lora_te1_text_model_encoder_layers_1_mlp_fc2", "text_encoder", "encoder.layers.1.mlp.fc2"),
        ("lora_te2_text_model_encoder_layers_2_self_attn_out_proj", "text_encoder_2", "encoder.layers.2.self_attn.out_proj"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2", "encoder.layers.0.mlp.fc1"),
    ]  # fmt: skip
    pipe = pipeline()
    for i, (spelled, component, path) in enumerate(text):
        names = dict(getattr(pipe, component).named_modules())
        text[i] = (spelled, component, path if path in names else f"text_model.{path}")
    unet = [(f"lora_unet_{flat(name)}", "unet", path) for name, path in ldm]
    kohya("kohya_ldm", "kohya_ldm.safetensors", unet + text, torch.float16, 0.8)
    unet = [(f"lora_unet_{flat(path)}", "unet", path) for _, path in ldm[:6]]
    kohya("kohya_diffusers", "kohya_diffusers.safetensors", unet + text[:1], torch.bfloat16, -0.4)


def old_diffusers_file():
    """Attention processors and `lora_linear_layer`, as diffusers 0.14 to 0.21 wrote them."""
    pipe = pipeline()
    unet = dict(pipe.unet.named_modules())
    prefix = "down_blocks.1.attentions.0.transformer_blocks.0"
    out = {}
    for layer in ("to_q", "to_v", "to_out.0"):
        weight = unet[f"{prefix}.attn2.{layer}"].weight
        spelled = f"unet.{prefix}.attn2.processor.{layer.removesuffix('.0')}_lora"
        out[f"{spelled}.down.weight"] = randn(2, weight.shape[1], scale=0.3)
        out[f"{spelled}.up.weight"] = randn(weight.shape[0], 2, scale=0.3)
    for prefix, component, layer in (("text_encoder", pipe.text_encoder, "q_proj"), ("text_encoder_2", pipe.text_encoder_2, "v_proj")):
        size = component.config.hidden_size
        spelled = f"{prefix}.text_model.encoder.layers.1.self_attn.{layer}.lora_linear_layer"
        out[f"{spelled}.down.weight"] = randn(2, size, scale=0.3)
        out[f"{spelled}.up.weight"] = randn(size, 2, scale=0.3)
    save_file(out, OUT / "diffusers_old.safetensors")
    fused_by_diffusers("diffusers_old", "diffusers_old.safetensors", 1.0)


def peft_file(case, strength, dora, text, targets):
    pipe = pipeline()
    config = LoraConfig(r=3, lora_alpha=5, target_modules=targets, use_dora=dora, init_lora_weights="gaussian")
    pipe.unet.add_adapter(config)
    parts = {"unet": pipe.unet}
    if text:
        pipe.text_encoder.add_adapter(LoraConfig(r=2, lora_alpha=3, target_modules=r".*layers\.1.*(q_proj|fc1)"))
        pipe.text_encoder_2.add_adapter(LoraConfig(r=2, lora_alpha=1, target_modules=r".*layers\.2.*(k_proj|out_proj)"))
        parts |= {"text_encoder": pipe.text_encoder, "text_encoder_2": pipe.text_encoder_2}
    for part in parts.values():
        for name, p in part.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                p.data.copy_(randn(*p.shape, scale=0.3))
            elif "lora_magnitude" in name:
                p.data.mul_(1 + randn(*p.shape, scale=0.2))
    layers = {f"{name}_lora_layers": get_peft_model_state_dict(part) for name, part in parts.items()}
    # Without the path of the model on this machine.
    metadata = {k: {**v, "base_model_name_or_path": None} for k, v in _collate_lora_metadata(parts).items()}
    StableDiffusionXLPipeline.save_lora_weights(OUT, **layers, weight_name=f"{case}.safetensors", **metadata)
    pipe = fused_by_diffusers(case, f"{case}.safetensors", strength)
    expected[f"{case}|unet_output"] = unet_output(pipe)
    if text:
        hidden, _, pooled, _ = pipe.encode_prompt("a blue potion", do_classifier_free_guidance=False)
        expected[f"{case}|hidden"], expected[f"{case}|pooled"] = hidden, pooled


def two_adapters():
    """Both active and not fused: PEFT adds what each of them adds to the base layer's output.

    A DoRA that does not come first would also scale what those before it have added.
    """
    pipe = pipeline()
    pipe.load_lora_weights(str(OUT), weight_name="peft.safetensors", adapter_name="lora")
    pipe.load_lora_weights(str(OUT), weight_name="peft_dora.safetensors", adapter_name="dora")
    pipe.set_adapters(["dora", "lora"], [1.0, 0.6])
    expected["two|unet_output"] = unet_output(pipe)


UNET = {}
ATTENTION = "mid_block.attentions.0.transformer_blocks.0"
LINEAR = f"{ATTENTION}.attn1.to_k"
WIDE = f"{ATTENTION}.attn2.to_v"
FEED = f"{ATTENTION}.ff.net.0.proj"
CONV = "mid_block.resnets.0.conv1"
SHORTCUT = "up_blocks.1.resnets.0.conv_shortcut"


def randomize(module):
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name == "dora_scale":
                p.mul_(1 + randn(*p.shape, scale=0.2))
            elif "lora" in name or "hada" in name or "lokr" in name or name in ("weight", "bias", "w_norm", "b_norm"):
                p.copy_(randn(*p.shape, scale=0.4))
    return module.eval()


def lycoris(case, specs, strength, prefix="lora_unet_", dtype=torch.float32, drop_alpha=False):
    """A file of LyCORIS modules. The expected weight is the one that the module's `forward` computes with.

    `get_merged_weight` of LoHa and LoKr is not used: in 4.1.3 it multiplies with alpha / rank twice.
    """
    out = {}
    expected[f"{case}|strength"] = torch.tensor(strength)
    for path, cls, options in specs:
        org = UNET[path]
        module = randomize(cls(flat(path), org, strength, **options))
        if cls is NormModule:
            state = {"w_norm": module.w_norm, "b_norm": module.b_norm}
        elif cls is FullModule:  # before `apply_to` it holds the difference, as in the file
            state = {"diff": module.weight} | ({} if module.bias is None else {"diff_b": module.bias})
        else:
            state = module.custom_state_dict()
        state = {k: v.detach().to(dtype) for k, v in state.items()}
        with torch.no_grad():  # what the file holds, rounded as in the file
            for name, p in module.named_parameters():
                p.copy_(p.to(dtype).float())
        if drop_alpha:
            assert module.scale == 1 and float(state["alpha"]) == module.lora_dim
            del state["alpha"]
        out |= {f"{prefix}{flat(path)}.{k}": v.clone().contiguous() for k, v in state.items()}
        weight, bias = org.weight, org.bias
        if cls is FullModule:
            merged, bias = module.make_weight(strength)
        elif cls is NormModule:
            merged, bias = module.make_weight(strength)
        else:
            delta = module.make_weight() * module.scale if cls is LoConModule else module.get_weight(module.shape)
            merged = module.apply_weight_decompose(weight + delta, strength) if module.wd else weight + delta * strength
        record(case, "unet", f"{path}.weight", merged)
        if cls in (FullModule, NormModule) and bias is not None:
            record(case, "unet", f"{path}.bias", bias)
        # The module itself computes with this weight.
        if isinstance(org, torch.nn.Linear):
            x = randn(5, org.in_features)
            here = F.linear(x, merged, bias)
        elif isinstance(org, torch.nn.Conv2d):
            x = randn(1, org.in_channels, 5, 4)
            here = F.conv2d(x, merged, bias, org.stride, org.padding)
        else:
            continue
        error = ((module(x) - here).norm() / here.norm()).item()
        assert error < 1e-5, (case, path, error)
    save_file(out, OUT / f"{case}.safetensors", metadata={"ss_network_module": "lycoris.kohya"})
    print(f"{case}: {len(specs)} modules")


def lycoris_files():
    UNET.update(pipeline().unet.named_modules())
    locon = lambda **o: (LoConModule, dict(lora_dim=3, alpha=2, **o))
    loha = lambda **o: (LohaModule, dict(lora_dim=2, alpha=3, **o))
    lokr = lambda **o: (LokrModule, dict(**{"lora_dim": 2, "alpha": 3, **o}))
    lycoris("locon", [
        (LINEAR, *locon()), (CONV, *locon(use_tucker=True)), (SHORTCUT, *locon()),
        ("down_blocks.0.resnets.1.conv2", *locon(rs_lora=True)),
    ], 0.7)  # fmt: skip
    lycoris("loha", [
        (LINEAR, *loha()), (FEED, *loha()), (CONV, *loha()), (SHORTCUT, *loha()),
        ("mid_block.resnets.1.conv2", *loha(use_tucker=True)),
    ], 0.7, prefix="lycoris_", dtype=torch.bfloat16)  # fmt: skip
    lycoris("lokr", [
        (LINEAR, *lokr(full_matrix=True)), (WIDE, *lokr()), (FEED, *lokr(lora_dim=1, alpha=0.5, decompose_both=True)),
        (CONV, *lokr(lora_dim=1, alpha=2)), (SHORTCUT, *lokr()),
        ("mid_block.resnets.1.conv2", *lokr(lora_dim=1, alpha=0.7, use_tucker=True)),
    ], 0.7)  # fmt: skip
    for axis, on_out in (("out", True), ("in", False)):
        wd = dict(weight_decompose=True, wd_on_out=on_out)
        lycoris(f"dora_{axis}", [
            (LINEAR, *locon(**wd)), (WIDE, *locon(**wd)), (CONV, *locon(**wd)), (FEED, *loha(**wd)),
            ("mid_block.resnets.1.conv2", *lokr(**wd)),
        ], 1.0)  # fmt: skip
    lycoris("no_alpha", [(WIDE, LoConModule, dict(lora_dim=3, alpha=3))], 1.0, drop_alpha=True)
    lycoris("diff", [
        (LINEAR, FullModule, {}), (SHORTCUT, FullModule, {}), (f"{ATTENTION}.norm2", NormModule, {}),
        ("mid_block.resnets.0.norm1", NormModule, {}), ("time_embedding.linear_1", FullModule, {}),
    ], 0.7)  # fmt: skip


def main():
    warnings.filterwarnings("ignore")
    torch.use_deterministic_algorithms(True)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    with torch.no_grad():
        kohya_files()
        old_diffusers_file()
    peft_file("peft", 0.9, False, True, r".*(mid_block|up_blocks\.0\.attentions\.0).*(attn1\.to_q|to_out\.0|proj_out|resnets\.1\.conv1)")
    peft_file("peft_dora", 1.0, True, False, r".*mid_block.*(attn1\.to_q|attn2\.to_k|to_out\.0|resnets\.1\.conv1)")
    with torch.no_grad():
        two_adapters()
        lycoris_files()
    save_file({k: v.detach().float().contiguous() for k, v in expected.items()}, OUT / "expected.safetensors")
    for file in OUT.iterdir():
        file.chmod(0o644)
    for file in sorted(OUT.iterdir()):
        print(f"{file.stat().st_size:8} {file.name}")
    print(f"{sum(file.stat().st_size for file in OUT.iterdir()) / 1e3:.0f} kB in {OUT}")


if __name__ == "__main__":
    main()
