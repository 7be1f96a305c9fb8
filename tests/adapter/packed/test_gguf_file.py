"""GGUF files of adapters: read as converters write them, and refused in one sentence where they are not whole."""

from __future__ import annotations

import builtins
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.interact_core.adapter import load_any_adapter
from interacthuman.interact_core.adapter.packed import gguf_file
from interacthuman.interact_core.adapter.packed.unpacking import Packed
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support.models.gguf_files import write_gguf
from interacthuman.tests.support.models.tiny_multitalk import core_patch

KV = "blocks.0.audio_cross_attn.kv_linear.weight"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Wan2_1-InfiniteTalk_Multi_Q8.gguf"


def weights() -> dict[str, torch.Tensor]:
    return core_patch().state_dict()


@pytest.mark.parametrize(
    "kind, prefix, reshaped", [("Q8_0", "", ()), ("Q4_K", "model.diffusion_model.", (KV,)), ("BF16", "", ())]
)
def test_a_file_is_what_the_package_reads(path: Path, kind: str, prefix: str, reshaped: tuple) -> None:
    meant = write_gguf(path, weights(), kind, reshaped, prefix)
    adapter, read = load_any_adapter(path)
    assert adapter.config.model_width == 256 and read.keys() == meant.keys()
    held = {key for key, value in read.items() if isinstance(value, Packed)}
    assert bool(held) == (kind != "BF16") and held.issuperset(reshaped)
    for key, expected in meant.items():
        value = read[key]
        found = value.numbers() if isinstance(value, Packed) else value.float()
        assert torch.equal(found, expected), key


def refused(path: Path, said: str) -> None:
    with pytest.raises(InteractError, match=said) as caught:
        load_any_adapter(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [5, 30, 300, -1])
def test_a_truncated_file(path: Path, kept: int) -> None:
    write_gguf(path, weights(), "Q8_0")
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "truncated or damaged, not a whole GGUF file")


def test_a_foreign_file(path: Path) -> None:
    path.write_bytes(b"hello, adapter")
    refused(path, "is not a GGUF file")
    path.unlink()
    refused(path, "does not exist")


@pytest.mark.parametrize("entry", ["array", "key", "tensors"])
def test_a_header_that_claims_billions_is_refused_at_once(path: Path, entry: str) -> None:
    """An array, a name and a number of tensors beyond the end of the file; the package alone counts on and on."""
    many = 2**40
    array = struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 0, many)
    name = struct.pack("<Q", many)
    body = {
        "array": struct.pack("<QQ", 0, 1) + array + bytes(400),
        "key": struct.pack("<QQ", 0, 1) + name,
        "tensors": struct.pack("<QQ", many, 0),
    }
    path.write_bytes(b"GGUF" + struct.pack("<I", 3) + body[entry])
    refused(path, "more than the file holds")


def test_a_header_of_very_many_entries_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(path, weights(), "Q8_0")
    monkeypatch.setattr(gguf_file, "MOST_READS", 50)
    refused(path, "more than the file holds")


def test_another_way_of_packing_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(path, weights(), "Q8_0")
    monkeypatch.delitem(gguf_file.KINDS, "Q8_0")
    refused(path, r"is packed as Q8_0, which this pack cannot unpack: use the same model as Q2_K")


def test_weights_that_are_not_finite_are_refused(path: Path) -> None:
    for kind in ("Q8_0", "BF16"):
        broken = weights()
        broken["blocks.1.audio_cross_attn.proj.weight"][3, 3] = np.inf
        with np.errstate(all="ignore"):
            write_gguf(path, broken, kind)
        refused(path, "weight blocks.1.audio_cross_attn.proj.weight holds NaN or infinity")
        path.unlink()


def test_a_false_original_shape_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(path, weights(), "Q4_K", (KV,))
    data = path.read_bytes()
    shape = struct.pack("<II", *weights()[KV].shape)
    assert data.count(shape) == 1
    path.write_bytes(data.replace(shape, struct.pack("<II", 2**20, 2**20)))
    refused(path, f"weight {KV} has 10240 numbers but is said to have been")


def test_without_the_package_one_sentence_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(path, weights(), "Q8_0")
    whole = builtins.__import__

    def without(name: str, *others: Any, **named: Any) -> Any:
        if name == "gguf":
            raise ImportError(name)
        return whole(name, *others, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    refused(
        path, "the Python package gguf, and that is not installed: install it.*python -m pip install gguf"
    )


def test_a_gguf_of_a_base_is_no_adapter(path: Path) -> None:
    write_gguf(path, {"head.modulation": torch.zeros(1, 2, 256)}, "Q8_0")
    refused(path, "not an InterAct adapter")
