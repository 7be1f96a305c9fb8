"""The package syncnet-python, which dev.py lays into a folder of its own, and random weights of its network."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn


def import_other(root: Path, patch: pytest.MonkeyPatch) -> ModuleType:
    """`syncnet_python`, with its network, its scores and its pipeline; gone from sys.modules when the patch ends.

    Its pipeline imports ffmpeg-python and scenedetect, which read and cut films; nothing of them is called here.
    """
    folder = Path(os.environ.get("INTERACT_OTHER_SYNCNET") or root / ".cache" / "syncnet-python")
    assert folder.is_dir(), f"no {folder}: dev.py's set-up makes it (python dev.py setup)"
    patch.syspath_prepend(folder)
    names = {"ContentDetector", "SceneManager", "StatsManager", "VideoManager"}
    for name in ("ffmpeg", "scenedetect", "scenedetect.video_manager"):
        empty = ModuleType(name)
        empty.__dict__.update(dict.fromkeys(names))
        patch.setitem(sys.modules, name, empty)
    return importlib.import_module("syncnet_python")


def random_network(other: ModuleType, crops: np.ndarray, columns: np.ndarray) -> nn.Module:
    """Its network with random weights and norms, whose statistics are those of these crops and columns.

    With norms as they are made, every window would have about the same feature. crops: [n, 224, 224, 3]; columns:
    MFCC [m, 13].
    """
    torch.manual_seed(3)
    net = other.SyncNetModel()
    for layer in net.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            layer.momentum = 1.0
    with torch.no_grad():
        net.train()
        net.forward_lip(lip_windows(crops)[::3])
        net.forward_aud(voice_windows(columns))
    return net.eval()


def lip_windows(crops: np.ndarray) -> torch.Tensor:
    """Every window as the original cuts it: [n - 4, 3, 5, 224, 224]."""
    frames = torch.from_numpy(crops).float().permute(3, 0, 1, 2)
    return torch.stack([frames[:, v : v + 5] for v in range(len(crops) - 4)])


def voice_windows(columns: np.ndarray) -> torch.Tensor:
    """[windows, 1, 13, 20]"""
    turned = torch.from_numpy(columns.T.copy()).float()
    count = (turned.shape[1] - 20) // 4 + 1
    return torch.stack([turned[None, :, 4 * v : 4 * v + 20] for v in range(count)])
