"""SyncNet v2 in plain torch: features of lips and of a voice in one space, where those that fit are close.

Chung and Zisserman 2016; layers of joonson/syncnet_python. Batch norms are folded into the layers before them, which
changes features by about 1e-6 (tests/metrics/sync/test_parity.py), and only the first layer of the lips looks at
more than one frame, so that it is a plain convolution over the 15 channels of five frames: every frame's crop is
handed over once, nothing is computed twice, and one window costs 3.1 GFLOP for the lips, 0.5 for the voice.

The file is safetensors with these float32 weights and no others; convert.py writes it from the public pickle:

    mouth.conv1.weight [96, 15, 7, 7]   input channel 3 t + c is colour c (blue, green, red) of the window's frame t
    mouth.conv2 [256, 96, 5, 5]   mouth.conv3, conv4, conv5 [256, 256, 3, 3]   mouth.conv6 [512, 256, 6, 6]
    voice.conv1 [64, 1, 3, 3]   voice.conv2 [192, 64, 3, 3]   voice.conv3 [384, 192, 3, 3]
    voice.conv4 [256, 384, 3, 3]   voice.conv5 [256, 256, 3, 3]   voice.conv6 [512, 256, 5, 4]
    mouth.fc1, voice.fc1 [512, 512]   mouth.fc2, voice.fc2 [1024, 512]   and a bias for each
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...weights_file import check_shapes, no_pause, open_weights

WIDTH = 1024  # numbers of a feature
WINDOW = 5  # frames of the lips in a window
COLUMNS = 20  # columns of MFCC in a window
COLUMNS_PER_FRAME = 4
MOUTHS_AT_ONCE = 16  # windows; 75 MB
VOICES_AT_ONCE = 64
WANTED = "SyncNet v2 as this pack converts it (docs/metrics.md)"


class Mouth(nn.Module):
    """Five frames of a face [n, 15, 224, 224], BGR 0..255, to features [n, 1024]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3 * WINDOW, 96, 7, stride=2)
        self.conv2 = nn.Conv2d(96, 256, 5, stride=2, padding=1)
        self.conv3 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv4 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv6 = nn.Conv2d(256, 512, 6)
        self.fc1 = nn.Linear(512, 512)
        self.fc2 = nn.Linear(512, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x).relu_(), 3, 2)
        x = F.max_pool2d(self.conv2(x).relu_(), 3, 2, padding=1)
        for conv in (self.conv3, self.conv4, self.conv5):
            x = conv(x).relu_()
        x = self.conv6(F.max_pool2d(x, 3, 2)).relu_()
        return self.fc2(self.fc1(x.flatten(1)).relu_())


class Voice(nn.Module):
    """Twenty columns of MFCC [n, 1, 13, 20] to features [n, 1024]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        self.conv3 = nn.Conv2d(192, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 256, 3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv6 = nn.Conv2d(256, 512, (5, 4))
        self.fc1 = nn.Linear(512, 512)
        self.fc2 = nn.Linear(512, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x).relu_()).relu_()
        x = F.max_pool2d(x, 3, (1, 2))
        for conv in (self.conv3, self.conv4, self.conv5):
            x = conv(x).relu_()
        x = self.conv6(F.max_pool2d(x, 3, 2)).relu_()
        return self.fc2(self.fc1(x.flatten(1)).relu_())


class SyncNet(nn.Module):
    """Both halves. What comes out lies on the CPU; the work is done where the weights are."""

    def __init__(self) -> None:
        super().__init__()
        self.mouth = Mouth()
        self.voice = Voice()

    @property
    def device(self) -> torch.device:
        return self.mouth.fc2.weight.device

    @torch.inference_mode()
    def mouths(self, crops: Tensor) -> Tensor:
        """Features of every window of five crops that follow each other: float32 [n - 4, 1024], [0, 1024] below five.

        crops: uint8 BGR [n, 224, 224, 3].
        """
        windows = max(0, len(crops) - WINDOW + 1)
        found = [torch.zeros(0, WIDTH)]
        for at in range(0, windows, MOUTHS_AT_ONCE):
            here = crops[at : min(at + MOUTHS_AT_ONCE, windows) + WINDOW - 1].to(self.device)
            count = len(here) - WINDOW + 1
            stacked = torch.cat([here[t : t + count] for t in range(WINDOW)], -1).float()
            found.append(self.mouth(stacked.permute(0, 3, 1, 2)).cpu())
        return torch.cat(found)

    @torch.inference_mode()
    def voices(self, columns: Tensor) -> Tensor:
        """Features of the windows that begin with every frame: float32 [(n - 20) // 4 + 1, 1024], [0, 1024] below 20.

        columns: MFCC, float32 [n, 13], four for each frame.
        """
        found = [torch.zeros(0, WIDTH)]
        if len(columns) >= COLUMNS:
            windows = columns.unfold(0, COLUMNS, COLUMNS_PER_FRAME)[:, None]  # [windows, 1, 13, 20]
            found += [self.voice(part.to(self.device)).cpu() for part in windows.split(VOICES_AT_ONCE)]
        return torch.cat(found)


def load_syncnet(path: str | os.PathLike[str]) -> SyncNet:
    """The network of a file, on the CPU.

    Raises InteractError, one sentence that names the file, for one that is missing, damaged, a pickle or a torchscript
    (refused unopened), and for weights that are missing, of another shape, too many, or not finite.
    """
    with torch.device("meta"):
        net = SyncNet()
    with open_weights(path, WANTED) as file:
        check_shapes(file.name, file.shapes, ((key, w.shape) for key, w in net.state_dict().items()))
        weights = file.weights(file.shapes, no_pause)
    net.load_state_dict({key: weight.float() for key, weight in weights.items()}, assign=True)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):  # laid out as the crops are: half the time on a CPU
            layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
    return net.requires_grad_(False).eval()
