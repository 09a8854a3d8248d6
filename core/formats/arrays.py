"""Between Arrow and numpy by their buffers. `pa.array` and `to_numpy` would do, but the first call of either imports
pandas where it is installed, which costs more memory (37 MB) than reading a million tokens."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

POOL = pa.system_memory_pool()  # mimalloc, Arrow's own, keeps some 10 MB more of what readers let go


def int32(values: np.ndarray) -> pa.Int32Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values.astype(np.int32))])


def booleans(values: np.ndarray) -> pa.BooleanArray:
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def indices(values: np.ndarray) -> pa.Int16Array:
    """int16 values; a negative one is null."""
    valid = None if (values >= 0).all() else _bits(values >= 0)
    return pa.Array.from_buffers(pa.int16(), len(values), [valid, pa.py_buffer(values.astype(np.int16))])


def strings(values: Sequence[str | None]) -> pa.StringArray:
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(value) for value in encoded], out=offsets[1:])
    valid = _bits(np.array([value is not None for value in values], dtype=bool)) if None in values else None
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )


def fixed_width(values: bytes | bytearray, kind: pa.FixedSizeBinaryType) -> pa.FixedSizeBinaryArray:
    return pa.Array.from_buffers(kind, len(values) // kind.byte_width, [None, pa.py_buffer(values)])


def lists(lengths: np.ndarray, items: pa.Array, known: np.ndarray | None = None) -> pa.ListArray:
    """Lists of the given lengths over `items`; null where `known` is False. *Shapes:* (rows,), (rows,) bool."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    mask = None if known is None else booleans(~known)
    return pa.ListArray.from_arrays(int32(offsets), items, mask=mask)


def numbers(values: pa.Int32Array) -> np.ndarray:
    """An int32 array without nulls. *Shape:* (values,), int32."""
    return np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset : values.offset + len(values)]


def lengths(values: pa.StringArray) -> np.ndarray:
    """Bytes of each string of an array without nulls. *Shape:* (values,), int32."""
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)
    return np.diff(offsets[values.offset : values.offset + len(values) + 1])


def values(array: pa.StringArray) -> np.ndarray:
    """The bytes of an array of strings that is no slice. *Shape:* (bytes,), uint8."""
    return np.frombuffer(array.buffers()[2], dtype=np.uint8)


def _bits(values: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
