"""The parameters in an ONNX file: arrays by name, and nothing that could be run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

GRAPH, INITIALIZER = 7, 5
"""Fields of ModelProto and of GraphProto; ONNX never gives a number to another field."""
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9
"""Fields of TensorProto."""
FLOAT = 1
VARINT, FIXED_64, COUNTED, FIXED_32 = 0, 1, 2, 5
"""How the value of a field is written (Protocol Buffers, Encoding)."""
WIDTHS = {FIXED_64: 8, FIXED_32: 4}


def initialisers(file: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of float32 that a model starts with, by name.

    Parameters
    ----------
    file : bytes
        A ModelProto (onnx.proto3).

    Returns
    -------
    dict of str to ndarray of float32
        Of the shapes that the file states; arrays of other types are left out.

    Raises
    ------
    ValueError
        If the file is cut off, is no ONNX, or keeps an array otherwise than as its bytes.
    """
    found: dict[str, np.ndarray] = {}
    for graph in _parts(memoryview(file), GRAPH):
        for tensor in _parts(graph, INITIALIZER):
            shape: list[int] = []
            name, kind, values = "", 0, None
            for field, value in _fields(tensor):
                if field == DIMS:
                    shape += [value] if isinstance(value, int) else _varints(value)  # one by one, or all in one field
                elif field == DATA_TYPE and isinstance(value, int):
                    kind = value
                elif field == NAME and isinstance(value, memoryview):
                    name = bytes(value).decode()
                elif field == RAW_DATA and isinstance(value, memoryview):
                    values = value
            if kind != FLOAT:
                continue
            if values is None:
                raise ValueError(f"the array {name!r} is not kept as its bytes")
            found[name] = np.frombuffer(values, "<f4").reshape(shape)
    return found


def _parts(message: memoryview, field: int) -> list[memoryview]:
    return [value for number, value in _fields(message) if number == field and isinstance(value, memoryview)]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number of each field and its value: a number, or bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == COUNTED:
            width, place = _varint(message, place)
        elif kind in WIDTHS:
            width = WIDTHS[kind]
        else:
            raise ValueError(f"no ONNX file has a field of kind {kind}")
        if place + width > len(message):
            raise ValueError("the file is cut off")
        yield number, message[place : place + width]
        place += width


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number and where it ends: seven bits a byte, the lowest first, the eighth says that more follow."""
    value = shift = 0
    while place < len(message):
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("the file is cut off")


def _varints(message: memoryview) -> list[int]:
    found, place = [], 0
    while place < len(message):
        value, place = _varint(message, place)
        found.append(value)
    return found
