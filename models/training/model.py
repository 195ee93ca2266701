"""The architecture of sprite-tiny: SDXL's parts at a fortieth of the width, painting RGBA at half resolution.

Every part is a class of diffusers or transformers, so that what is trained is what they load.
"""

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from bpe import LENGTH, VOCABULARY

LATENT_CHANNELS = 8
TEXT_WIDTH = 128
PIXELS_PER_LATENT = 2
BOS_ID, EOS_ID = VOCABULARY - 2, VOCABULARY - 1


def build_vae():
    return AutoencoderKL(
        in_channels=4, out_channels=4, latent_channels=LATENT_CHANNELS, block_out_channels=(48, 96),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=2,
        norm_num_groups=16, mid_block_add_attention=False, sample_size=32, force_upcast=False)


def _text_config(layers, act, pad):
    return CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=layers,
        num_attention_heads=4, max_position_embeddings=LENGTH, projection_dim=TEXT_WIDTH, hidden_act=act,
        bos_token_id=BOS_ID, eos_token_id=EOS_ID, pad_token_id=pad)


def build_text_encoders():
    # The last layer of the first encoder is not used (SDXL takes the penultimate state), so it is the shallow one.
    return (CLIPTextModel(_text_config(2, "quick_gelu", EOS_ID)),
            CLIPTextModelWithProjection(_text_config(4, "gelu", 0)))


def build_unet(dropout=0.05):
    return UNet2DConditionModel(
        sample_size=16, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(96, 144, 192),
        layers_per_block=1, norm_num_groups=16, dropout=dropout,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=(3, 4, 6), cross_attention_dim=2 * TEXT_WIDTH, addition_embed_type="text_time",
        addition_time_embed_dim=32, projection_class_embeddings_input_dim=TEXT_WIDTH + 6 * 32, use_linear_projection=True)


def build_scheduler():
    """Zero terminal SNR with v-prediction: a tile or a sprite may be all dark or all bright (Lin et al. 2023)."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear", clip_sample=False,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing", set_alpha_to_one=True,
        steps_offset=1)


def _clip_states(model, ids, activation):
    """Penultimate hidden state [B,L,D] and the normalised last state at the end token [B,D].

    The library's forward builds its causal mask in a way that cannot be captured into a CUDA graph; this is the
    same arithmetic (compared in `check_text_encoder`).
    """
    inner = getattr(model, "text_model", model)
    x = inner.embeddings.token_embedding(ids) + inner.embeddings.position_embedding.weight[:ids.shape[1]]
    states = [x]
    for layer in inner.encoder.layers:
        h, attention = layer.layer_norm1(x), layer.self_attn
        heads = lambda p: p(h).view(*h.shape[:2], attention.num_heads, -1).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(
            heads(attention.q_proj), heads(attention.k_proj), heads(attention.v_proj), is_causal=True)
        x = x + attention.out_proj(mixed.transpose(1, 2).reshape(h.shape))
        x = x + layer.mlp.fc2(activation(layer.mlp.fc1(layer.layer_norm2(x))))
        states.append(x)
    last = inner.final_layer_norm(x)
    end = (ids == EOS_ID).int().argmax(-1).view(-1, 1, 1).expand(-1, 1, last.shape[-1])
    return states[-2], last.gather(1, end).squeeze(1)


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def second_ids(ids):
    """The second tokenizer pads with id 0 after the end token, the first with the end token."""
    after_end = (ids == EOS_ID).int().cumsum(-1) > 1
    return ids.masked_fill(after_end, 0)


def encode_text(encoders, ids):
    """Context [B,L,2·128] and pooled embedding [B,128]."""
    first, _ = _clip_states(encoders[0], ids, quick_gelu)
    second, pooled = _clip_states(encoders[1], second_ids(ids), F.gelu)
    return torch.cat([first, second], -1), encoders[1].text_projection(pooled)


@torch.no_grad()
def check_text_encoder(encoders, ids):
    """Raises when the written-out encoder differs from the library's."""
    context, pooled = encode_text(encoders, ids)
    a = encoders[0](ids, output_hidden_states=True)
    b = encoders[1](second_ids(ids), output_hidden_states=True)
    torch.testing.assert_close(context, torch.cat([a.hidden_states[-2], b.hidden_states[-2]], -1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(pooled, b.text_embeds, rtol=1e-3, atol=1e-3)
