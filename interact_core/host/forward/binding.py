"""What makes a MODEL hear voices: an adapter of its own, or the audio layers of its base."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...adapter import SpeechAdapter, SpeechSizes
from ...adapter.humo import HumoAdapter, HumoConfig
from ..keys import BASE_KEY
from .call import MaskHead


@dataclass(frozen=True, eq=False)
class AdapterBinding:
    """What `apply_adapter` leaves on a MODEL: the loaded adapter and its strength (1 = as trained)."""

    patcher: ModelPatcher
    strength: float

    @property
    def adapter(self) -> SpeechAdapter:
        # Asked anew each time: under dynamic memory management the patcher may exchange its model.
        return self.patcher.model

    @property
    def config(self) -> SpeechSizes:
        return self.adapter.config

    @property
    def mask_heads(self) -> Mapping[str, MaskHead]:
        return self.adapter.mask_heads

    @property
    def patchers(self) -> tuple[ModelPatcher, ...]:
        """What is to be loaded with the base."""
        return (self.patcher,)

    def adapter_in(self, options: dict[str, Any]) -> SpeechAdapter:
        """The adapter of the call that has these transformer_options."""
        return self.adapter


@dataclass(frozen=True, eq=False)
class BaseBinding:
    """What `apply_base_audio` leaves on a MODEL whose base has audio layers (HuMo): their sizes, a strength.

    The layers themselves are asked of the model that runs, as ComfyUI may load it anew or copy it.
    """

    config: HumoConfig
    strength: float

    @property
    def mask_heads(self) -> Mapping[str, MaskHead]:
        return {}

    @property
    def patchers(self) -> tuple[ModelPatcher, ...]:
        return ()

    def adapter_in(self, options: dict[str, Any]) -> SpeechAdapter:
        return HumoAdapter(options[BASE_KEY], self.config)


Binding = AdapterBinding | BaseBinding


def describe(binding: Binding) -> str:
    """What a MODEL now hears by, in words for its node."""
    config, heads = binding.config, len(binding.mask_heads)
    masks = f"finds everybody itself (in {heads} of its blocks)" if heads else "no mask head"
    return (
        f"{config.kind}: {config.model_blocks} blocks of width {config.model_width}, listens through "
        f"{config.encoder}, {config.fps:g} fps, {masks}"
    )
