"""The clips that a run can use: unreadable ones are replaced, missing masks are reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.config import config_of
from interacthuman.interact_core.training.data.cache import encode_shards, read_cache
from interacthuman.interact_core.training.data.library import Library
from interacthuman.tests.support.training import SHARD_KEYS, write_drawn


def test_a_clip_that_cannot_be_read_is_replaced_and_counted(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(3))
    encode_shards(SHARD_KEYS, paths)
    cache = read_cache(SHARD_KEYS, paths)
    library = Library(cache, config_of({}, "test"))
    spoiled = cache.clips[1]
    content = bytearray(spoiled.file.read_bytes())
    whole = content[spoiled.offset : spoiled.offset + spoiled.size]
    content[spoiled.offset : spoiled.offset + 8] = b"\xff" * 8
    spoiled.file.write_bytes(bytes(content))
    read = library.read(spoiled, np.random.default_rng(1))
    others = [library.read(clip, np.random.default_rng(2)) for clip in (cache.clips[0], cache.clips[2])]
    assert any(torch.equal(read["latents"], other["latents"]) for other in others)
    assert library.unreadable >= 1
    content[spoiled.offset : spoiled.offset + spoiled.size] = whole
    content[spoiled.offset + spoiled.size - 3] ^= 4  # one bit of a value, which no format notices
    spoiled.file.write_bytes(bytes(content))
    before = library.unreadable
    read = library.read(spoiled, np.random.default_rng(1))
    assert library.unreadable > before
    assert any(torch.equal(read["latents"], other["latents"]) for other in others)


def test_no_masks_where_they_are_needed_is_one_sentence(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(2), masks=None, confidence=None)
    encode_shards(SHARD_KEYS, paths)
    cache = read_cache(SHARD_KEYS, paths)
    with pytest.raises(InteractError, match="None of the 2 clips in the shards has masks"):
        Library(cache, config_of({}, "test"))
    stage_one = {"mix": {"injection": "everywhere"}, "adapter": {"mask_heads": False}}
    assert len(Library(cache, config_of(stage_one, "test"))) == 2
