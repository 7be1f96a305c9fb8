"""What a run leaves for viewers: its masks, and what is displayed with them."""

from dataclasses import dataclass

from torch import Tensor

from ..errors import InteractError
from ..guidance import MaskHistory
from ..sentences import Sentence
from .sounds import FilmSounds


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class RunRecord(MaskHistory):
    """A MaskHistory with what viewers display beside the masks; each of it may be missing."""

    run: str = ""  # unique id of the run
    seed: int | None = None  # of its noise; None: not known
    # [K, T, h', w', 3] uint8 CPU, RGB: the clean video as it was predicted at each recorded step
    pictures: Tensor | None = None
    # loudness of each character, uint8 [4 * frames], four to a video frame; None for a silent one
    loudness: tuple[Tensor | None, ...] | None = None
    said: tuple[Sentence, ...] = ()  # what is to be said of the run
    sounds: FilmSounds | None = None  # what is heard; None where nothing is
    # [N, T, h, w] in 0..1, CPU: the masks that steered where mask_source is fixed
    fixed: Tensor | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        recorded, characters = self.masks.shape[:2]
        expected = (recorded, self.masks.shape[2], 3)
        if self.pictures is not None and (*self.pictures.shape[:2], self.pictures.shape[-1]) != expected:
            raise InteractError(
                f"mask history has pictures of shape {list(self.pictures.shape)}, expected [K, T, h', w', 3]."
            )
        if self.loudness is not None and len(self.loudness) != characters:
            raise InteractError(
                f"mask history holds {characters} masks but the loudness of {len(self.loudness)} characters."
            )
        if self.fixed is not None and self.fixed.shape != self.masks.shape[1:]:
            raise InteractError(
                f"mask history has fixed masks of shape {list(self.fixed.shape)}, expected "
                f"{list(self.masks.shape[1:])}."
            )
