"""ComfyUI's Wan VAE, run over a whole clip at once for training.

ComfyUI's `WanVAE` (comfy/ldm/wan/vae.py) processes a clip in chunks with a cache, which saves memory but is
slow with gradients. The functions here compute the same on the same module in one pass (a test compares
them). `fold_latent_format` folds the normalisation of ComfyUI's Wan latent format into the weights of a
trained VAE, so that `latent_format.process_in` gives latents of mean 0 and deviation 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_CHANNELS = 16


def build_wan_vae(dim: int) -> nn.Module:
    """An untrained Wan2.1 VAE of base width `dim`, built as comfy/sd.py builds it, in channels-last layout
    (twice as fast on CPUs).
    """
    from comfy.ldm.wan.vae import WanVAE

    vae = WanVAE(
        dim=dim,
        z_dim=LATENT_CHANNELS,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        attn_scales=[],
        temperal_downsample=[False, True, True],
    )
    init_with_colours(vae)
    return channels_last(vae)


COLOURS_AND_CONSTANT = 4


@torch.no_grad()
def init_with_colours(vae: nn.Module) -> None:
    """Initialise as an autoencoder of coarse colours: the first channels carry red, green, blue and a
    constant through all layers.

    Residual branches start at zero, resampling averages and repeats those channels, all others are random
    features. From a random start a narrow VAE spends its first thousand steps on brightness alone (13.6 dB
    after 600 steps; from here 14 dB after 100). The constant keeps RMS normalisation from making dark and
    bright the same.
    """
    for name, conv in vae.named_modules():
        if isinstance(conv, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            nn.init.zeros_(conv.bias)
            if name.endswith(("residual.6", "proj")):
                conv.weight.zero_()
            elif name in ("conv1", "conv2"):
                conv.weight.copy_(torch.eye(conv.out_channels).view_as(conv.weight))
            elif not name.endswith(("residual.2", "to_qkv")):
                _pass_colours(conv, name)
    for conv in (vae.encoder.conv1, vae.decoder.conv1):
        conv.weight[3] = 0
        conv.bias[3] = 1.0


def _pass_colours(conv: nn.Module, name: str) -> None:
    """Set the rows of the colour channels; the taps are the present frame, and the middle (or a 2x2 mean)
    in space.
    """
    encoder = name.startswith("encoder")
    if name.endswith("head.2"):
        conv.weight.mul_(0.1)
    middle = [(k - 1) // 2 for k in conv.kernel_size]
    if len(middle) == 3:
        middle[0] = conv.kernel_size[0] - 1
    # A decoder's time_conv makes two frames of one: both halves of its outputs carry the colours.
    starts = (0, conv.out_channels // 2) if name.endswith("time_conv") and not encoder else (0,)
    carried = 3 if name.endswith(("encoder.conv1", "head.2")) else COLOURS_AND_CONSTANT
    for channel in range(min(carried, conv.in_channels)):
        for start in starts:
            row = conv.weight[start + channel]
            row.zero_()
            if name.endswith("resample.1") and encoder:
                row[channel, :2, :2] = 0.25
            elif name.endswith("time_conv") and encoder:
                row[channel, 1:] = 0.5
            else:
                row[(channel, *middle)] = 1.0


def channels_last(vae: nn.Module) -> nn.Module:
    for module in vae.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)
        elif isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return vae


def _causal(conv: nn.Conv3d, x: Tensor) -> Tensor:
    if conv._padding:
        x = F.pad(x, (0, 0, 0, 0, conv._padding, 0))
    return F.conv3d(x, conv.weight, conv.bias, conv.stride, conv.padding)


def _residual(block: nn.Module, x: Tensor) -> Tensor:
    norm_in, act, conv_in, norm_out, _, _, conv_out = block.residual
    h = _causal(conv_out, act(norm_out(_causal(conv_in, act(norm_in(x))))))
    return h + (x if isinstance(block.shortcut, nn.Identity) else _causal(block.shortcut, x))


def _per_frame(module: nn.Module, x: Tensor) -> Tensor:
    b, c, t, h, w = x.shape
    y = module(x.transpose(1, 2).reshape(b * t, c, h, w))
    return y.view(b, t, *y.shape[1:]).transpose(1, 2)


def _resample(block: nn.Module, x: Tensor) -> Tensor:
    """As in ComfyUI, frame 0 never passes the temporal convolution of a resampling layer."""
    if block.mode == "upsample3d" and x.shape[2] > 1:
        rest = _causal(block.time_conv, x[:, :, 1:])
        b, c, t, h, w = rest.shape
        rest = rest.view(b, 2, c // 2, t, h, w).permute(0, 2, 3, 1, 4, 5).reshape(b, c // 2, 2 * t, h, w)
        x = torch.cat([x[:, :, :1], rest], 2)
    x = _per_frame(block.resample, x)
    if block.mode == "downsample3d" and x.shape[2] > 1:
        conv = block.time_conv
        x = torch.cat([x[:, :, :1], F.conv3d(x, conv.weight, conv.bias, conv.stride)], 2)
    return x


def _run(layers: nn.Module, x: Tensor) -> Tensor:
    for layer in layers:
        if hasattr(layer, "residual"):
            x = _residual(layer, x)
        elif hasattr(layer, "resample"):
            x = _resample(layer, x)
        else:  # per-frame attention of the middle
            x = layer(x)
    return x


def _head(head: nn.Module, x: Tensor) -> Tensor:
    norm, act, conv = head
    return _causal(conv, act(norm(x)))


def encode(vae: nn.Module, frames: Tensor) -> Tensor:
    """frames [B, 3, 4n+1, H, W] in -1..1 -> latent means [B, 16, n+1, H/8, W/8], as `WanVAE.encode`."""
    encoder = vae.encoder
    x = _run(encoder.middle, _run(encoder.downsamples, _causal(encoder.conv1, frames)))
    return _causal(vae.conv1, _head(encoder.head, x)).chunk(2, dim=1)[0]


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """latents [B, 16, n+1, h, w] -> frames [B, 3, 4n+1, 8h, 8w], as `WanVAE.decode`."""
    decoder = vae.decoder
    x = _run(decoder.middle, _causal(decoder.conv1, _causal(vae.conv2, latents)))
    return _head(decoder.head, _run(decoder.upsamples, x))


@torch.no_grad()
def fold_latent_format(vae: nn.Module, mean: Tensor, std: Tensor) -> None:
    """Make channel statistics those of ComfyUI's Wan latent format.

    mean, std [16] are measured over `encode` of training clips. Afterwards `encode` gives latents with
    `Wan21().latents_mean` and `latents_std`, and `decode` undoes it: the pair stays the same autoencoder.
    """
    from comfy.latent_formats import Wan21

    wan = Wan21()
    scale = wan.latents_std.flatten() / std
    shift = wan.latents_mean.flatten() - mean * scale
    c = LATENT_CHANNELS
    vae.conv2.bias.add_(torch.einsum("oi,i->o", vae.conv2.weight[:, :, 0, 0, 0], -shift / scale))
    vae.conv2.weight.div_(scale.view(1, c, 1, 1, 1))
    vae.conv1.weight[:c].mul_(scale.view(c, 1, 1, 1, 1))
    vae.conv1.bias[:c] = vae.conv1.bias[:c] * scale + shift
