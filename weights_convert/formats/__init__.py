"""Reading and writing weight files with numpy alone: `.safetensors`, `.pth`/`.pt`, `.pdparams`, `.params`, `.npz`.

    tensors = read("model.pth")                    # a mapping: name -> numpy array
    write("model.safetensors", tensors, {"arch": "…"})

Reading runs no code from the file and copies next to nothing. Every fault is a `core.errors.WeightsError`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core import safetensors
from core.checkpoint import AVERAGE
from core.errors import WeightsError
from core.files import atomic_output, map_file
from core.tensors import Limits, Tensors, check_finite
from weights_convert.formats import bundle, mxnet_params, mxnet_symbol, npz, pdparams, torch_legacy, torch_zip
from weights_convert.formats.tar_archive import is_archive

__all__ = ["FORMATS", "Format", "Limits", "Tensors", "check_finite", "detect", "format_of", "read", "write"]

Writer = Callable[[BinaryIO, str, Mapping[str, np.ndarray], Mapping[str, str]], list[str]]


@dataclass(frozen=True)
class Format:
    """One family of weight files.

    name: as in `Tensors.format`.
    extensions: the first is the usual one.
    description: one line for people.
    loader: the framework's own call that loads what is written.
    dtypes: numpy type names that can be written.
    holds_metadata: whether metadata given to `write` is kept.
    """

    name: str
    extensions: tuple[str, ...]
    description: str
    loader: str
    dtypes: tuple[str, ...]
    holds_metadata: bool
    read: Callable[..., Tensors]  # path, data, limits; and `ema` where `nested`
    write: Writer
    nested: bool = False  # whether a file may hold several dictionaries of tensors


def _read_torch(path: Path, data: memoryview, limits: Limits, ema: bool = False) -> Tensors:
    return (torch_zip if data[:4] == b"PK\x03\x04" else torch_legacy).read(path, data, limits, ema)


_ALL = (
    Format(
        "safetensors",
        (".safetensors",),
        "safetensors, the canonical format",
        "safetensors.numpy.load_file",
        tuple(safetensors.WRITABLE),
        True,
        safetensors.read,
        safetensors.write,
    ),
    Format(
        "pth",
        (".pth", ".pt", ".ckpt"),
        "a PyTorch state dictionary",
        "torch.load(weights_only=True)",
        tuple(torch_zip.WRITABLE),
        True,
        _read_torch,
        torch_zip.write,
        nested=True,
    ),
    Format(
        "pdparams",
        (".pdparams", ".pdopt"),
        "a Paddle state dictionary",
        "paddle.load",
        tuple(pdparams.WRITABLE),
        False,
        pdparams.read,
        pdparams.write,
        nested=True,
    ),
    Format(
        "params",
        (".params",),
        "an MXNet NDArray list",
        "mxnet.nd.load",
        tuple(mxnet_params.WRITABLE),
        False,
        mxnet_params.read,
        mxnet_params.write,
    ),
    Format(
        "npz",
        (".npz",),
        "an archive of numpy arrays",
        "numpy.load",
        tuple(npz.WRITABLE),
        False,
        npz.read,
        npz.write,
    ),
)
FORMATS: dict[str, Format] = {extension: format_ for format_ in _ALL for extension in format_.extensions}
_BY_NAME = {format_.name: format_ for format_ in _ALL}


def read(path: str | os.PathLike[str], *, limits: Limits | None = None, ema: bool = False) -> Tensors:
    """Read a weight file of any of the formats, recognised by its content.

    Args:
        path: the file; an archive or folder that holds it; of weights in several files the index (`….index.json`).
        limits: what the file may claim; the defaults suit untrusted files.
        ema: take the moving average of the weights, which some training scripts keep beside them.

    Raises:
        WeightsError: if the file is missing, of no known format, cut, damaged, hostile, or named like another format.
    """
    path, limits = Path(path), limits or Limits()
    if path.is_dir():
        files = bundle.of_folder(path, deep=True)
    else:
        data, siblings = map_file(path), bundle.of_siblings(path)
        if siblings is None:
            return _with_symbol(replace(_read(path, data, limits, ema), files=(path,)), path, limits)
        files = siblings
    opened: dict[Path, None] = {}
    tensors = bundle.read(files.noting(opened), limits, lambda file, raw: _read(file, raw, limits, ema))
    return replace(tensors, files=tuple(opened))


def _read(path: Path, data: memoryview, limits: Limits, ema: bool, nested: bool = False) -> Tensors:
    """The tensors of a file's bytes; `path` says what it is called. An archive inside an archive is refused."""
    if is_archive(data):
        if nested:
            raise WeightsError(f"{path}: an archive inside an archive; unpack it")
        inside = bundle.of_archive(path, data, limits)
        return bundle.read(inside, limits, lambda file, raw: _read(file, raw, limits, ema, nested=True))
    content, named = _recognise(data), FORMATS.get(path.suffix.lower())
    format_ = _agreed(path, data, content, named)
    if format_ is None:
        assert content is not None
        content.read(path, data, limits)  # a hostile file is named as such, rather than as misnamed
        raise _mismatch(path, content, named)
    if format_.nested:
        return format_.read(path, data, limits, ema)
    tensors = format_.read(path, data, limits)
    return _average_in(tensors, path) if ema else tensors


def _with_symbol(tensors: Tensors, path: Path, limits: Limits) -> Tensors:
    """With what the symbol beside MXNet's parameters says of them, where there is one."""
    name = mxnet_symbol.name_beside(path.name)
    if tensors.format != "params" or name is None or not (beside := path.with_name(name)).is_file():
        return tensors
    symbol = mxnet_symbol.read(beside, map_file(beside), limits)
    return replace(mxnet_symbol.apply(tensors, symbol, name), files=(*tensors.files, beside))


def _average_in(tensors: Tensors, path: Path) -> Tensors:
    """Of a run's checkpoint the moving average. Raises WeightsError where the file has none beside the weights."""
    arrays = {name.removeprefix(AVERAGE): array for name, array in tensors.items() if name.startswith(AVERAGE)}
    if not arrays:
        raise WeightsError(
            f"{path}: no moving average stands beside the weights (--ema asks for one, as runs with train.ema keep it)"
        )
    return replace(tensors, arrays=arrays)


def detect(path: str | os.PathLike[str]) -> str:
    """The name of the file's format: by content first, by extension where the content says nothing.

    Raises:
        WeightsError: if neither tells, or the two disagree.
    """
    path = Path(path)
    data = map_file(path)
    content, named = _recognise(data), FORMATS.get(path.suffix.lower())
    format_ = _agreed(path, data, content, named)
    if format_ is None:
        assert content is not None
        raise _mismatch(path, content, named)
    return format_.name


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> list[str]:
    """Write the tensors in the format of the path's extension: completely, or not at all.

    Args:
        path: the file to make or to replace; it may be the file the tensors were read from.
        tensors: name -> array. A `Tensors` also brings its metadata, Paddle's parameter names and MXNet's roles.
        metadata: text by name, instead of that of `tensors`; {} for none.

    Returns:
        Notes on what the format cannot hold.

    Raises:
        WeightsError: if the extension is unknown, a tensor does not fit the format, or the disk refuses.
    """
    path = Path(path)
    format_ = format_of(path)
    if not tensors:
        raise WeightsError(f"{path}: there is no tensor to write")
    if metadata is None:
        metadata = tensors.metadata if isinstance(tensors, Tensors) else {}
    with atomic_output(path) as file:
        return format_.write(file, str(path), tensors, metadata)


def format_of(path: str | os.PathLike[str]) -> Format:
    """The format that a path's extension asks for.

    Raises:
        WeightsError: listing the extensions there are.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise WeightsError(
            f"{path}: the extension {suffix!r} names no format of weights; there are {', '.join(FORMATS)}"
        )
    return FORMATS[suffix]


def _recognise(data: memoryview) -> Format | None:
    """The format the first bytes belong to."""
    head = bytes(data[:16])
    if npz.holds_arrays(data):
        return _BY_NAME["npz"]
    if head.startswith(b"PK\x03\x04") or head[2:14] == torch_legacy.MAGIC_BYTES:
        return _BY_NAME["pth"]
    if head[:1] == b"\x80" and len(head) > 2 and 2 <= head[1] <= 5:
        return _BY_NAME["pdparams"]
    if len(head) >= 9:
        (number,) = struct.unpack_from("<Q", head)
        if number == mxnet_params.LIST_MAGIC and head[8:16] == bytes(8):
            return _BY_NAME["params"]
        if head[8:9] == b"{":
            return _BY_NAME["safetensors"]
    return None


def _agreed(path: Path, data: memoryview, content: Format | None, named: Format | None) -> Format | None:
    """The format on which content and extension agree; None if they do not. One of the two may say nothing."""
    if content is None and named is None:
        raise WeightsError(
            f"{path}: neither the content ({_first_bytes(data)}) nor the extension {path.suffix!r} is "
            "that of a weight file; "
            f"known are {', '.join(FORMATS)}"
        )
    if content is None:
        raise WeightsError(
            f"{path}: not {named.description if named else ''}, as its name says: it begins with {_first_bytes(data)}"
        )
    return content if named in (None, content) else None


def _mismatch(path: Path, content: Format, named: Format | None) -> WeightsError:
    expected = named.description if named else "another format"
    return WeightsError(
        f"{path}: holds {content.description}, but is named like {expected}; rename it to "
        f"{content.extensions[0]} if that is meant"
    )


def _first_bytes(data: memoryview) -> str:
    """What the file begins with, and what that is where people commonly mistake it."""
    known = {
        b"\x89HDF": "an HDF5 file",
        b"PK\x05\x06": "an empty zip archive",
        b"\x93NUMPY": "a numpy .npy file",
        b"<": "an HTML page or XML: the download failed",
        b"version https://git-lfs": "a Git LFS pointer: the file itself was not downloaded",
        bytes(12): "perhaps Paddle's .pdiparams, without names: its program, .pdmodel or __model__, must lie beside",
    }
    if is_archive(data):
        return "a tar archive, or what gzip has compressed"
    head = bytes(data[:32])
    hint = next((f" ({text})" for start, text in known.items() if head.startswith(start)), "")
    return f"{head[:8]!r}{hint}"
