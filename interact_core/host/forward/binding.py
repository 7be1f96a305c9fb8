"""Where a MODEL's audio layers come from: an adapter, or its own base model."""

from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...adapter import SpeechAdapter, SpeechSizes
from ...adapter.families import LayersByBlock
from ...adapter.humo import HumoAdapter, HumoConfig
from ...adapter.s2v import S2vAdapter, S2vConfig
from ...sentences import Sentence, Value, sentence
from ..keys import BASE_KEY


@dataclass(frozen=True, eq=False)
class AdapterBinding:
    """What `apply_adapter` leaves on a MODEL: the loaded adapter and its strength (1 = as trained)."""

    patcher: ModelPatcher
    strength: float

    @property
    def adapter(self) -> SpeechAdapter:
        # Read each time: under dynamic memory management the patcher may replace its model.
        return self.patcher.model

    @property
    def config(self) -> SpeechSizes:
        return self.adapter.config

    @property
    def mask_heads(self) -> LayersByBlock:
        return self.adapter.mask_heads

    @property
    def patchers(self) -> tuple[ModelPatcher, ...]:
        """What has to be loaded along with the base model."""
        return (self.patcher,)

    def adapter_in(self, options: dict[str, Any]) -> SpeechAdapter:
        """The adapter of the call that has these transformer_options."""
        return self.adapter


@dataclass(frozen=True, eq=False)
class BaseBinding:
    """What `apply_base_audio` leaves on a MODEL whose base has audio layers: their sizes and the strength.

    The layers themselves are taken from the model that runs, as ComfyUI may load it again or copy it.
    """

    config: HumoConfig | S2vConfig
    strength: float

    @property
    def mask_heads(self) -> LayersByBlock:
        return {}

    @property
    def patchers(self) -> tuple[ModelPatcher, ...]:
        return ()

    def adapter_in(self, options: dict[str, Any]) -> SpeechAdapter:
        base = options[BASE_KEY]
        return (
            HumoAdapter(base, self.config)
            if isinstance(self.config, HumoConfig)
            else S2vAdapter(base, self.config)
        )


Binding = AdapterBinding | BaseBinding


def describe(binding: Binding) -> tuple[Sentence, ...]:
    """The adapter, or the base model's audio layers, for the node."""
    config, heads = binding.config, len(binding.mask_heads)
    size: dict[str, Value] = {
        "kind": config.kind,
        "blocks": config.model_blocks,
        "width": config.model_width,
        "fps": f"{config.fps:g}",
    }
    found = sentence("adapter", **size, heads=heads) if heads else sentence("adapter_without_heads", **size)
    return found, sentence("adapter_encoder", encoder=config.encoder)
