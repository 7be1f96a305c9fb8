"""Packed weights of GGUF files to numbers, on the device where they lie and a part at a time.

The layouts are ggml's (ggml-common.h, ggml-quants.c; gguf/quants.py, which the tests compare with): a row is a whole
number of blocks, and the values of a block share one or two float16 scales. In the kinds that end in K, whose blocks
have 256 values, groups of 16 or 32 have small whole scales of their own besides.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

VALUES_AT_ONCE = 2**22
"""How many numbers are unpacked together: what that takes besides the result stays below 100 MB."""

# A block's values [N, groups, values of a group], whole numbers in float32; their scale; and what is added, or None.
Parts = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True)
class Kind:
    """One way of packing. `halves` are the places of a block's float16 scales, in bytes."""

    values: int  # of a block
    size: int  # bytes of a block
    halves: tuple[int, ...]
    parts: Callable[[Tensor], Parts]


@dataclass(frozen=True, eq=False)
class Packed:
    """A matrix as it lies in its file."""

    data: Tensor  # uint8 [rows, bytes of a row]
    kind: str  # a key of KINDS
    shape: torch.Size

    def numbers(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return unpack(self.data, self.kind, dtype).reshape(self.shape)

    def is_finite(self) -> bool:
        """Whether every scale is; their products with small whole numbers are then, too."""
        kind = KINDS[self.kind]
        blocks = self.data.reshape(-1, kind.size)
        return all(bool(_half(blocks, place).isfinite().all()) for place in kind.halves)


def unpack(data: Tensor, kind: str, dtype: torch.dtype) -> Tensor:
    """Numbers [rows, columns] of packed rows, uint8 [rows, bytes of a row]; worked out in float32, then rounded."""
    packing = KINDS[kind]
    blocks = data.reshape(-1, packing.size)
    found = torch.empty(len(blocks), packing.values, dtype=dtype, device=data.device)
    step = max(1, VALUES_AT_ONCE // packing.values)
    for start in range(0, len(blocks), step):
        values, scale, least = packing.parts(blocks[start : start + step])
        numbers = values * scale if least is None else values * scale + least
        found[start : start + step] = numbers.flatten(1)
    return found.reshape(len(data), -1)


def _half(blocks: Tensor, place: int) -> Tensor:
    """The float16 at a place of every block [N, size], as float32 [N, 1, 1]."""
    return blocks[:, place : place + 2].contiguous().view(torch.float16).float()[:, None]


def _bits(packed: Tensor, width: int) -> Tensor:
    """uint8 [N, rows, n] -> [N, rows, 8 / width, n]: the lowest `width` bits of all bytes, then the next ones."""
    shifts = torch.arange(0, 8, width, dtype=torch.uint8, device=packed.device)
    return (packed[:, :, None] >> shifts[:, None]) & (2**width - 1)


def _nibbles(blocks: Tensor, start: int, rows: int = 1) -> Tensor:
    """The rest of a block in halves of bytes, [N, rows, 2, n]: of every row first the lower halves."""
    return _bits(blocks[:, start:].unflatten(1, (rows, -1)), 4)


def _signed(values: Tensor, offset: int) -> Tensor:
    return values.float() - offset


def _q8_0(blocks: Tensor) -> Parts:
    return blocks[:, None, 2:].contiguous().view(torch.int8).float(), _half(blocks, 0), None


def _q4_0(blocks: Tensor) -> Parts:
    return _signed(_nibbles(blocks, 2).flatten(2), 8), _half(blocks, 0), None


def _q4_1(blocks: Tensor) -> Parts:
    return _nibbles(blocks, 4).flatten(2).float(), _half(blocks, 0), _half(blocks, 2)


def _fifth_bit(blocks: Tensor, start: int) -> Tensor:
    """[N, 1, 32]: one bit for each value, the lowest of the first byte first."""
    return _bits(blocks[:, start : start + 4, None], 1).flatten(1)[:, None] << 4


def _q5_0(blocks: Tensor) -> Parts:
    return _signed(_nibbles(blocks, 6).flatten(2) | _fifth_bit(blocks, 2), 16), _half(blocks, 0), None


def _q5_1(blocks: Tensor) -> Parts:
    values = _nibbles(blocks, 8).flatten(2) | _fifth_bit(blocks, 4)
    return values.float(), _half(blocks, 0), _half(blocks, 2)


def _q2_k(blocks: Tensor) -> Parts:
    """16 bytes of scale and minimum, 64 of values, two scales; groups of 16."""
    small, values = blocks[:, :16, None], _bits(blocks[:, 16:80].unflatten(1, (2, 32)), 2)
    scale, least = _half(blocks, 80) * (small & 15), _half(blocks, 82) * (small >> 4)
    return values.reshape(-1, 16, 16).float(), scale, -least


def _q3_k(blocks: Tensor) -> Parts:
    """32 bytes of third bits, 64 of values, 12 of scales in 6 bits, one scale; groups of 16."""
    low = _bits(blocks[:, None, 96:104], 4).reshape(-1, 16)
    high = _bits(blocks[:, None, 104:108], 2).reshape(-1, 16)
    scale = _half(blocks, 108) * _signed(low | high << 4, 32)[:, :, None]
    third = _bits(blocks[:, None, :32], 1).reshape(-1, 16, 16) << 2
    values = _bits(blocks[:, 32:96].unflatten(1, (2, 32)), 2).reshape(-1, 16, 16)
    return _signed(values | third, 4), scale, None


def _scales_of_eight(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and minima [N, 8, 1] of Q4_K and Q5_K: two float16, then 6 bits each in 12 bytes."""
    first, second, high = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scale = torch.cat((first & 63, (high & 15) | (first >> 6) << 4), 1)
    least = torch.cat((second & 63, high >> 4 | (second >> 6) << 4), 1)
    return _half(blocks, 0) * scale[:, :, None], _half(blocks, 2) * least[:, :, None]


def _q4_k(blocks: Tensor) -> Parts:
    scale, least = _scales_of_eight(blocks)
    return _nibbles(blocks, 16, rows=4).reshape(-1, 8, 32).float(), scale, -least


def _q5_k(blocks: Tensor) -> Parts:
    scale, least = _scales_of_eight(blocks)
    fifth = _bits(blocks[:, None, 16:48], 1).reshape(-1, 8, 32) << 4
    return (_nibbles(blocks, 48, rows=4).reshape(-1, 8, 32) | fifth).float(), scale, -least


def _q6_k(blocks: Tensor) -> Parts:
    """128 bytes of lower halves, 64 of upper pairs of bits, 16 scales in int8, one scale; groups of 16."""
    low = _bits(blocks[:, :128].unflatten(1, (2, 64)), 4).reshape(-1, 16, 16)
    high = _bits(blocks[:, 128:192].unflatten(1, (2, 32)), 2).reshape(-1, 16, 16)
    scale = _half(blocks, 208) * blocks[:, 192:208].contiguous().view(torch.int8)[:, :, None]
    return _signed(low | high << 4, 32), scale, None


KINDS = {
    "Q8_0": Kind(32, 34, (0,), _q8_0),
    "Q4_0": Kind(32, 18, (0,), _q4_0),
    "Q4_1": Kind(32, 20, (0, 2), _q4_1),
    "Q5_0": Kind(32, 22, (0,), _q5_0),
    "Q5_1": Kind(32, 24, (0, 2), _q5_1),
    "Q2_K": Kind(256, 84, (80, 82), _q2_k),
    "Q3_K": Kind(256, 110, (108,), _q3_k),
    "Q4_K": Kind(256, 144, (0, 2), _q4_k),
    "Q5_K": Kind(256, 176, (0, 2), _q5_k),
    "Q6_K": Kind(256, 210, (208,), _q6_k),
}
