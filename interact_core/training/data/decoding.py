"""Bytes of which nobody knows whether they are whole: errors of decoders as sentences, sizes held against the bytes."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ...errors import InteractError, one_line
from ...weights_file import is_out_of_memory


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Tells as InteractError, one sentence that begins with `what`, whatever a decoder makes of damaged bytes."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InteractError) or is_out_of_memory(error):
            raise
        raise InteractError(f"{what} ({one_line(error)}).") from error


def arrays_of(packed: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. A size that an array claims is held against its bytes before memory is taken."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            content = io.BytesIO(archive.read(name))  # with its checksum
            if np.lib.format.read_magic(content) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(content)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(content)
            if math.prod(shape) * dtype.itemsize != len(content.getbuffer()) - content.tell():
                raise ValueError(f"{name} claims to be {list(shape)}")
            content.seek(0)
            found[name.removesuffix(".npy")] = np.lib.format.read_array(content, allow_pickle=False)
    return found
