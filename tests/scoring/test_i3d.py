"""I3D's file: what is called, and what is refused before a film is opened."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.sets.fvd import LOGITS
from interacthuman.interact_core.scoring.i3d import load_i3d
from torch import Tensor, nn


class LikeI3D(nn.Module):
    """Called as the public file is, and answering as many numbers."""

    def __init__(self, numbers: int = LOGITS) -> None:
        super().__init__()
        self.logits = nn.Linear(3, numbers)

    def forward(
        self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> Tensor:
        if rescale or resize:
            return torch.zeros(0)
        logits = self.logits(x.mean([2, 3, 4]))
        return logits if return_features else logits.softmax(1)


class Other(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def save(model: nn.Module, path) -> None:
    torch.jit.script(model).save(str(path))


def test_the_files_logits_are_taken_without_its_own_scaling(tmp_path):
    torch.manual_seed(0)
    model = LikeI3D()
    save(model, tmp_path / "i3d.pt")
    clips = torch.rand(2, 3, 10, 8, 8)
    with torch.no_grad():
        expected = model.logits(clips.mean((2, 3, 4)))
    assert torch.equal(load_i3d(tmp_path / "i3d.pt")(clips), expected)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InteractError, match=r"does not exist.*i3d_torchscript\.pt.*as it holds code"):
        load_i3d(tmp_path / "none.pt")
    torch.save(LikeI3D().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InteractError, match="is no TorchScript"):
        load_i3d(tmp_path / "weights.pt")
    save(Other(), tmp_path / "other.pt")
    with pytest.raises(InteractError, match="is another model than I3D"):
        load_i3d(tmp_path / "other.pt")
    save(LikeI3D(1024), tmp_path / "wide.pt")
    with pytest.raises(InteractError, match=r"it answers \[1, 1024\] to one clip"):
        load_i3d(tmp_path / "wide.pt")
