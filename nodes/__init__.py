"""The ComfyUI nodes (V3 schema), one topic per file. They call interact_core/host."""

from comfy_api.latest import ComfyExtension, io
from typing_extensions import override

from ..interact_core.host.folders import register_folders
from .characters import InterActCharacter, InterActEncodeCharacters, InterActRegion
from .dialogue import InterActDialogue
from .dubbing import InterActDub
from .examples import InterActExample
from .loaders import InterActApplyAdapter, InterActLoadDiT, InterActLoadWav2Vec2
from .masks import InterActMasksToMask, InterActPreviewMasks, InterActProbeBlocks
from .parts import InterActJoinParts, InterActNextPart
from .people import InterActPeople, InterActPickPerson
from .placing import InterActPlace
from .sampling import InterActCollectMasks, InterActMaskGuidance, InterActSampler
from .score import InterActLoadScorer, InterActScore
from .speech import InterActEncodeSpeech


class InteractExtension(ComfyExtension):
    """The pack, as ComfyUI loads it."""

    @override
    async def on_load(self) -> None:
        register_folders()

    @override
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            InterActLoadDiT,
            InterActApplyAdapter,
            InterActLoadWav2Vec2,
            InterActEncodeSpeech,
            InterActCharacter,
            InterActEncodeCharacters,
            InterActSampler,
            InterActMaskGuidance,
            InterActCollectMasks,
            InterActPreviewMasks,
            InterActMasksToMask,
            InterActExample,
            InterActRegion,
            InterActNextPart,
            InterActJoinParts,
            InterActPickPerson,
            InterActScore,
            InterActLoadScorer,
            InterActDialogue,
            InterActPeople,
            InterActDub,
            InterActPlace,
            InterActProbeBlocks,
        ]
