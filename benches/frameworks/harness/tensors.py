"""Safetensors files in NumPy: an 8-byte length, a JSON header of names, types, shapes and offsets, then the numbers."""

import json

import numpy as np

TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "U8": np.dtype("u1")}
NAMES = {dtype: name for name, dtype in TYPES.items()}


def write(path, arrays, metadata=None):
    """Writes arrays by name, and strings by name as metadata."""
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": NAMES[array.dtype], "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little"))
        file.write(head)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


def read(path):
    """All arrays by name."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data, TYPES[entry["dtype"]], int(np.prod(entry["shape"])), start + entry["data_offsets"][0])
        .reshape(entry["shape"])
        for name, entry in header.items()
    }
