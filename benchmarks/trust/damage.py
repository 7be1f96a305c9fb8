"""Ways in which a safetensors file comes to be broken, or was made to break something: each drawn by chance."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ODD_NUMBERS = (0, -1, 1, 7, 2**15, 2**31 - 1, 2**31, 2**32, 2**40, 2**63, 2**64, 2**70, 10**400, 0.5, 1e308)
ODD_VALUES = (
    *ODD_NUMBERS,
    math.nan,
    math.inf,
    True,
    False,
    None,
    "",
    "25",
    "wav2vec2",
    [],
    [0],
    [10**9],
    {},
    {"a": 1},
)
ODD_NAMES = ("a.b.c", "", ".", "blocks.", "blocks.0", "audio_blocks.99.q.weight", "<img src=x onerror=alert(1)>",
             "../../etc/passwd", "x" * 3000, "line\nbreak", "\u202egnp", "\0", "scaled_fp8", "a.scale_weight",
             "encoder.layers.", "encoder.layers.0.evil.weight")  # fmt: skip
TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3",
}  # fmt: skip
"""Names of data types in a safetensors header."""
ODD_TYPES = (torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool, torch.complex64, torch.float64)
EXTREMES = (math.nan, math.inf, -math.inf, 3e38, -3e38, 1e30, 1e-45)


@dataclass(frozen=True)
class Contents:
    """A whole file before it is broken."""

    weights: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    def packed(self, **changes: Tensor | None) -> bytes:
        """The file; changes: other weights, None for none. The same bytes every time, unlike safetensors' own."""
        header: dict[str, Any] = {"__metadata__": dict(self.metadata)} if self.metadata else {}
        data = b""
        for key, value in sorted({**self.weights, **changes}.items()):
            if value is not None:
                content = value.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                places = [len(data), len(data) + len(content)]
                header[key] = {
                    "dtype": TYPES[value.dtype],
                    "shape": list(value.shape),
                    "data_offsets": places,
                }
                data += content
        return _with_header(json.dumps(header), data)

    def any_weight(self, chance: random.Random) -> str:
        return chance.choice(sorted(self.weights))


Damage = Callable[[Contents, random.Random], bytes]


def truncated(whole: Contents, chance: random.Random) -> bytes:
    packed = whole.packed()
    return packed[: chance.choice((0, 1, 8, 9, chance.randrange(len(packed)), len(packed) - 1))]


def lengthened(whole: Contents, chance: random.Random) -> bytes:
    return whole.packed() + bytes(chance.randrange(256) for _ in range(chance.randint(1, 64)))


def flipped_in_header(whole: Contents, chance: random.Random) -> bytes:
    return _flipped(whole.packed(), chance, 8, _header_end(whole.packed()), chance.randint(1, 8))


def flipped_in_length(whole: Contents, chance: random.Random) -> bytes:
    return _flipped(whole.packed(), chance, 0, 8, chance.randint(1, 4))


def flipped_in_data(whole: Contents, chance: random.Random) -> bytes:
    packed = whole.packed()
    return _flipped(packed, chance, _header_end(packed), len(packed), chance.choice((1, 16, 256)))


def noise_in_data(whole: Contents, chance: random.Random) -> bytes:
    """A stretch of random bytes, as a bad block of a disk leaves it."""
    packed = bytearray(whole.packed())
    first = chance.randrange(_header_end(bytes(packed)), len(packed))
    length = min(4096, len(packed) - first)
    packed[first : first + length] = chance.randbytes(length) if chance.random() < 0.5 else bytes(length)
    return bytes(packed)


def not_even_one(whole: Contents, chance: random.Random) -> bytes:
    start = chance.choice(
        (b"", b"PK\x03\x04", b"\x80\x04", b"GGUF", b"\x89PNG", struct.pack("<Q", 40) + b"{")
    )
    return start + chance.randbytes(chance.randint(0, 2000))


def wrong_shape(whole: Contents, chance: random.Random) -> bytes:
    key = whole.any_weight(chance)
    weight = torch.atleast_1d(whole.weights[key].float())
    made = (
        weight.flatten(),
        weight[None],
        weight[:0],
        torch.zeros(()),
        torch.cat((weight, weight)),
        weight.mT if weight.ndim > 1 else weight,
    )
    return whole.packed(**{key: chance.choice(made).contiguous()})


def wrong_type(whole: Contents, chance: random.Random) -> bytes:
    dtype = chance.choice(ODD_TYPES)
    keys = sorted(whole.weights) if chance.random() < 0.3 else [whole.any_weight(chance)]
    return whole.packed(**{key: whole.weights[key].float().nan_to_num().to(dtype) for key in keys})


def extreme_weight(whole: Contents, chance: random.Random) -> bytes:
    """One value, or all of a weight, that is not finite or nearly so."""
    key = whole.any_weight(chance)
    weight = whole.weights[key].clone()
    places = weight.flatten() if weight.numel() else weight
    value = torch.tensor(chance.choice(EXTREMES)).to(weight.dtype)
    if chance.random() < 0.5:
        places[chance.randrange(len(places))] = value
    else:
        places.fill_(value)
    return whole.packed(**{key: weight})


def missing_weights(whole: Contents, chance: random.Random) -> bytes:
    gone = chance.sample(sorted(whole.weights), chance.choice((1, 1, 2, len(whole.weights) - 1)))
    return whole.packed(**dict.fromkeys(gone))


def more_weights(whole: Contents, chance: random.Random) -> bytes:
    return whole.packed(**{chance.choice(ODD_NAMES): torch.zeros(chance.randint(0, 3))})


def many_weights(whole: Contents, chance: random.Random) -> bytes:
    """Weights of no bytes, as many as a header holds, so that a count of keys is believed."""
    start = chance.choice(
        ("audio_blocks.{}.norm.weight", "blocks.{}.norm_x.weight", "encoder.layers.{}.x", "w{}")
    )
    return whole.packed(
        **{start.format(number): torch.zeros(0) for number in range(chance.choice((99, 20000)))}
    )


def other_header(whole: Contents, chance: random.Random) -> bytes:
    """One entry of the header says something else: offsets, shape, type; the data stay."""
    packed = whole.packed()
    end = _header_end(packed)
    header = json.loads(packed[8:end])
    entry = header[whole.any_weight(chance)]
    odd = chance.choice((0, -1, 2**31, 2**32, 2**62, 2**63, 2**64, 1e300, "4", None, [], True))
    field = chance.choice(("dtype", "shape", "data_offsets"))
    if field == "dtype":
        entry[field] = chance.choice(("F64", "F16", "F8_E8M0", "F4", "I8", "C64", "U1", "", None, 3, ["F32"]))
    elif chance.random() < 0.5:
        entry[field] = [odd] * chance.choice((1, 2, 64, 1000))
    else:
        entry[field] = [*entry[field][:-1], odd]
    return _with_header(json.dumps(header), packed[end:])


def twice_in_header(whole: Contents, chance: random.Random) -> bytes:
    packed = whole.packed()
    end = _header_end(packed)
    entries = list(json.loads(packed[8:end]).items())
    name, entry = chance.choice(entries)
    if name != "__metadata__" and chance.random() < 0.7:
        entry = {**entry, "data_offsets": chance.choice(entries[1:])[1].get("data_offsets", [0, 4])}
    entries.insert(chance.randrange(len(entries)), (name, entry))
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries)
    return _with_header("{" + text + "}", packed[end:])


def deep_header(whole: Contents, chance: random.Random) -> bytes:
    packed = whole.packed()
    deep = chance.choice(("[", '{"a":')) * chance.choice((200, 100000))
    start, end = packed[8 : _header_end(packed)].decode().rstrip().removesuffix("}"), _header_end(packed)
    return _with_header(f'{start}, "deep": {deep}', packed[end:])


def odd_metadata(whole: Contents, chance: random.Random) -> bytes:
    """The text that holds the configuration: cut, deep, long, no JSON, of another version, or gone."""
    metadata = dict(whole.metadata)
    if not metadata:
        return Contents(
            whole.weights, {"format_version": "1", "config": "{", "interact_adapter": "{}"}
        ).packed()
    name = chance.choice(sorted(metadata))
    text = metadata[name]
    metadata[name] = chance.choice(
        (text[: chance.randrange(len(text) + 1)], "[" * 100000, '{"a":' * 100000, "9" * 10000, "x" * 2**21,
         f"[{text}]", text + text, text.replace("{", '{"fps": 1, "fps": 2, ', 1), "null", "\ud800".encode(
             "utf-16", "surrogatepass").decode("utf-16", "replace"), "2", "1.0", "")
    )  # fmt: skip
    if chance.random() < 0.2:
        del metadata[name]
    return Contents(whole.weights, metadata).packed()


def odd_fields(whole: Contents, chance: random.Random) -> bytes:
    """One to three fields of the configuration have another value, type or name."""
    metadata = dict(whole.metadata)
    name = next((name for name in ("interact_adapter", "config") if name in metadata), None)
    if name is None:
        return odd_metadata(whole, chance)
    metadata[name] = json.dumps(with_odd_fields(json.loads(metadata[name]), chance))
    return Contents(whole.weights, metadata).packed()


def with_odd_fields(fields: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The same with up to three values that are of another type, out of range, or gone, and perhaps a name too many."""
    changed = dict(fields)
    for name in chance.sample(sorted(fields), min(len(fields), chance.randint(1, 3))):
        value = fields[name]
        if chance.random() < 0.1:
            del changed[name]
        elif isinstance(value, list) and value and chance.random() < 0.7:
            changed[name] = [*value[:-1], chance.choice(ODD_NUMBERS)]
        elif isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.4:
            changed[name] = chance.choice((value + 1, value - 1, 2 * value, value // 2, 10**6, 10**9))
        else:
            changed[name] = chance.choice(ODD_VALUES)
    if chance.random() < 0.2:
        changed[chance.choice(ODD_NAMES)] = chance.choice(ODD_VALUES)
    return changed


def _flipped(packed: bytes, chance: random.Random, first: int, last: int, count: int) -> bytes:
    changed = bytearray(packed)
    for _ in range(count):
        changed[chance.randrange(first, last)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _header_end(packed: bytes) -> int:
    return 8 + int.from_bytes(packed[:8], "little")


def _with_header(header: str, data: bytes) -> bytes:
    content = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(content)) + content + data


DAMAGES: dict[str, Damage] = {
    "truncated": truncated,
    "lengthened": lengthened,
    "bits of the header": flipped_in_header,
    "bits of the header's length": flipped_in_length,
    "bits of the data": flipped_in_data,
    "noise in the data": noise_in_data,
    "no safetensors file": not_even_one,
    "wrong shape": wrong_shape,
    "wrong type": wrong_type,
    "NaN, infinite or extreme": extreme_weight,
    "missing weights": missing_weights,
    "one weight more": more_weights,
    "thousands of empty weights": many_weights,
    "another header entry": other_header,
    "twice in the header": twice_in_header,
    "deep header": deep_header,
    "odd metadata": odd_metadata,
    "odd configuration": odd_fields,
}
