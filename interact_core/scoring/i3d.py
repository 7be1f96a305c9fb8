"""I3D from its TorchScript file, on the command line alone.

A TorchScript archive holds code that runs when it is called, and PyTorch's security notes put it beside a program from
an unknown source. Whoever names such a file on the command line has chosen to run it; a graph that came from elsewhere
must not be able to, so nothing that ships with the nodes opens one (tests/project/test_packaging.py).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..errors import InteractError, one_line
from ..metrics.sets.fvd import LEAST_LENGTH, LOGITS, SIDE, Features
from ..weights_file import is_out_of_memory

WHERE = (
    "give i3d_torchscript.pt, the file of StyleGAN-V's and other FVD implementations, and only one from a source that "
    "you trust, as it holds code"
)


def load_i3d(path: str | Path, device: torch.device | str = "cpu") -> Features:
    """I3D as a function of clips, tried on an empty one.

    Raises InteractError for a missing file, one that is no TorchScript, and one that does not answer as I3D does.
    """
    path = Path(path)
    if not path.is_file():
        raise InteractError(f"{path} does not exist or is no file: {WHERE}.")
    try:
        network = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise InteractError(f"{path} is no TorchScript ({one_line(error)}): {WHERE}.") from error

    @torch.no_grad()
    def features(clips: Tensor) -> Tensor:
        return network(clips.to(device), rescale=False, resize=False, return_features=True)

    try:
        shape = tuple(features(torch.zeros(1, 3, LEAST_LENGTH, SIDE, SIDE)).shape)
    except (RuntimeError, TypeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise InteractError(f"{path} is another model than I3D ({one_line(error)}): {WHERE}.") from error
    if shape != (1, LOGITS):
        raise InteractError(
            f"{path} is another model than I3D (it answers {list(shape)} to one clip): {WHERE}."
        )
    return features
