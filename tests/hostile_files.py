"""Makes the hostile and damaged weight files of the tests. Nothing here is ever committed as a binary.

Each maker returns bytes; the tables pair them with a piece of the message that must refuse them.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from weights_convert.formats import FORMATS

SENTINEL = "hostile-code-ran"  # a file of this name appears in the working directory if a payload is ever run
COMMAND = f"touch {SENTINEL}"


class Evil:
    """Pickles to a call of os.system."""

    def __reduce__(self) -> Any:
        return os.system, (COMMAND,)


def text(value: str) -> bytes:
    """BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def state(extension: str, arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """A valid file of a format, in memory."""
    default = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "h": np.ones(3, np.float16),
        "n": np.array([5], np.int64),
    }
    buffer = io.BytesIO()
    FORMATS[extension].write(buffer, "memory", arrays or default, {})
    return buffer.getvalue()


MAGIC = b"\x80\x02" + b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."


def legacy(pickled: bytes, keys: list[str], storages: list[bytes]) -> bytes:
    """A file as torch wrote it before 1.6. `storages` hold their number of elements in front."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [MAGIC, pickle.dumps(1001, 2), pickle.dumps(system, 2), pickled, pickle.dumps(keys, 2), *storages]
    return b"".join(parts)


def legacy_state() -> bytes:
    """The default state as a legacy file: the pickle of the zip format with one more field in each persistent id."""
    with zipfile.ZipFile(io.BytesIO(state(".pth"))) as archive:
        pickled = archive.read("archive/data.pkl").replace(b"tQ", b"NtQ")
        raw = [archive.read(f"archive/data/{key}") for key in range(3)]
    counts = (6, 3, 1)
    return legacy(pickled, ["0", "1", "2"], [struct.pack("<q", count) + data for count, data in zip(counts, raw)])


def archive_of(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of any members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def torch_zip(pickled: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A zip file of torch with the given pickle."""
    return archive_of({"archive/data.pkl": pickled} | {f"archive/data/{k}": v for k, v in (storages or {}).items()})


def npz(header: bytes, data: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of one array whose `.npy` header and data are given."""
    return archive_of({"a.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data}, method)


# Pickles, which are tried bare (`.pdparams`), in a zip archive and in a legacy file (`.pth`).


def call(module: str, name: str, argument: bytes) -> bytes:
    return b"\x80\x02" + f"c{module}\n{name}\n".encode() + b"(" + argument + b"tR."


def laughs(depth: int = 40) -> bytes:
    """Lists of two references to the list before: 2 ** depth leaves."""
    body = b"\x80\x02}" + text("a") + b"]K\x01aq\x00"
    for level in range(depth):
        body += b"0](h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
    return body + b"s."


def repeated(function: bytes, argument: bytes, times: int) -> bytes:
    """One long argument, handed to a function again and again from the memo, all results kept."""
    return b"\x80\x02" + argument + b"q\x00]" + (function + b"h\x00\x85Ra") * times + b"0."


PICKLES: dict[str, tuple[bytes, str]] = {
    "os.system": (call("os", "system", text(COMMAND)), r"os\.system"),
    "posix.system": (call("posix", "system", text(COMMAND)), r"posix\.system"),
    "eval": (call("builtins", "eval", text(f"__import__('os').system('{COMMAND}')")), r"builtins\.eval"),
    "python 2 eval": (call("__builtin__", "eval", text("1")), r"__builtin__\.eval"),
    "exec": (call("builtins", "exec", text("import os")), r"builtins\.exec"),
    "import": (call("builtins", "__import__", text("os")), r"builtins\.__import__"),
    "getattr": (call("builtins", "getattr", text("os")), r"builtins\.getattr"),
    "subprocess": (call("subprocess", "Popen", text(COMMAND)), r"subprocess\.Popen"),
    "runpy": (call("runpy", "run_path", text("x.py")), r"runpy\.run_path"),
    "numpy.load": (call("numpy", "load", text("x.npy")), r"numpy\.load"),
    "numpy runstring": (call("numpy.testing._private.utils", "runstring", text("1")), r"runstring"),
    "numpy f2py": (call("numpy.f2py.crackfortran", "myeval", text("1")), r"myeval"),
    "torch.load": (call("torch.serialization", "load", text("x")), r"torch\.serialization\.load"),
    "torch bytes": (call("torch.storage", "_load_from_bytes", text("x")), r"_load_from_bytes"),
    "torch.jit": (call("torch.jit", "load", text("x")), r"torch\.jit\.load"),
    "paddle": (call("paddle.framework.io", "load", text("x")), r"paddle\.framework\.io\.load"),
    "pickle.loads": (call("pickle", "loads", text("x")), r"pickle\.loads"),
    "operator": (call("operator", "attrgetter", text("system")), r"operator\.attrgetter"),
    "codecs decode": (call("_codecs", "decode", text("x")), r"_codecs\.decode"),
    "stack global": (b"\x80\x04" + text("os") + text("system") + b"\x93" + text("x") + b"\x85R.", r"os\.system"),
    "attribute chain": (
        b"\x80\x04" + text("collections") + text("OrderedDict.fromkeys.__self__") + b"\x93.",
        r"collections\.OrderedDict\.fromkeys",
    ),
    "stack global of numbers": (b"\x80\x04K\x01K\x02\x93.", "without two names"),
    "inst": (b"\x80\x02(" + text(COMMAND) + b"ios\nsystem\n.", r"os\.system"),
    "inst of a known name": (b"\x80\x02(icollections\nOrderedDict\n.", "INST"),
    "obj": (b"\x80\x02(ccollections\nOrderedDict\no.", "OBJ"),
    "newobj": (b"\x80\x02csubprocess\nPopen\n)\x81.", r"subprocess\.Popen"),
    "newobj ex": (b"\x80\x04ccollections\nOrderedDict\n)}\x92.", "NEWOBJ_EX"),
    "extension registry": (b"\x80\x02\x82\x01.", "EXT1"),
    "extension registry 4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "text persistent id": (b"\x80\x02Pstorage\n.", "PERSID"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "call of data": (b"\x80\x02" + text("system") + b")R.", "calls a str"),
    "call of a mere name": (b"\x80\x02cnumpy\nndarray\n)R.", r"numpy\.ndarray"),
    "arguments no tuple": (b"\x80\x02ccollections\nOrderedDict\n]R.", "instead of a tuple"),
    "too many arguments": (b"\x80\x02ccollections\nOrderedDict\nNN\x86R.", "do not fit"),
    "build on a name": (b"\x80\x02ccollections\nOrderedDict\n}b.", "attributes are set"),
    "build on text": (b"\x80\x02" + text("a") + b"}b.", "attributes are set"),
    "items on a list": (b"\x80\x02]K\x01K\x02s.", "instead of a dictionary"),
    "append to a dict": (b"\x80\x02}K\x01a.", "instead of a list"),
    "append to a name": (b"\x80\x02ccollections\nOrderedDict\nK\x01a.", "instead of a list"),
    "object array": (pickle.dumps({"a": np.array([Evil()], dtype=object)}, 2), "refused"),
    "structured array": (pickle.dumps({"a": np.zeros(2, [("x", "f4")])}, 4), "refused"),
    "text array": (pickle.dumps({"a": np.array(["x"])}, 4), "refused"),
    "date array": (pickle.dumps({"a": np.array(["2020-01-01"], "M8[D]")}, 4), "refused"),
    "huge LONG4": (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01" * 100 + b".", "integer of"),
    "negative LONG4": (b"\x80\x02\x8b" + struct.pack("<i", -5) + b".", "integer of -5"),
    "long integer": (b"\x80\x02\x8a\xff" + b"\x7f" * 255 + b".", "integer of 255"),
    "text number": (b"\x80\x02I" + b"9" * 100_000 + b"\n.", "INT"),
    "negative string": (b"\x80\x02T" + struct.pack("<i", -1) + b".", "negative length"),
    "string of 4 GB": (b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"abc.", "the file is cut"),
    "string of exabytes": (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.", "the file is cut"),
    "bytes of exabytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"abc.", "the file is cut"),
    "bytearray of exabytes": (b"\x80\x05\x96" + struct.pack("<Q", 2**63) + b"abc.", "the file is cut"),
    "frame of exabytes": (b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.", "the file is cut"),
    "endless name": (b"\x80\x02c" + b"a" * 5000, "no end"),
    "deep tuples": (b"\x80\x02)" + b"\x85" * 100_000 + b".", "."),
    "deep lists": (b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".", "."),
    "deep dicts": (b"\x80\x02}" + (text("a") + b"}") * 2_000 + b"s" * 2_000 + b".", "nested deeper"),
    "list of itself": (b"\x80\x02]q\x00h\x00a.", "."),
    "dict of itself": (b"\x80\x02}q\x00" + text("a") + b"h\x00s.", "nested deeper"),
    "billion laughs": (laughs(), "."),
    "tuple as key": (b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x01s.", "."),
    "deep tuple as key": (b"\x80\x02}" + b"N\x85q\x00" + b"0h\x00h\x00\x86q\x00" * 60 + b"Ns.", "key"),
    "list as key": (b"\x80\x02}]Ns.", "key"),
    "long key": (b"\x80\x02}" + text("k" * 5000) + b"Ns.", "key"),
    "key twice": (b"\x80\x02}(" + text("a") + b"K\x01" + text("a") + b"K\x02u.", "twice"),
    "key without value": (b"\x80\x02}(K\x01u.", "without a value"),
    "memo with gaps": (b"\x80\x02Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.", "memo has no entry"),
    "flood of dicts": (b"\x80\x02" + b"}" * 1_000_000 + b".", "too many pickle opcodes"),
    "flood of memo": (b"\x80\x04N" + b"\x94" * 1_000_000 + b".", "too many pickle opcodes"),
    "text decoded again and again": (
        repeated(b"c_codecs\nencode\n", text("x" * 300_000), 20_000),
        "again and again",
    ),
    "dict copied again and again": (
        repeated(
            b"ccollections\nCounter\n",
            b"}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(9000)) + b"u",
            9000,
        ),
        "again and again",
    ),
    "list copied again and again": (
        repeated(b"cbuiltins\ntuple\n", b"](" + b"N" * 9000 + b"e", 9000),
        "again and again",
    ),
    "empty stack": (b"\x80\x02R.", "stack empty"),
    "no mark": (b"\x80\x02Nt.", "needs a mark"),
    "mark as value": (b"\x80\x02(.", "instead of one"),
    "mark in a tuple": (b"\x80\x02(N\x86.", "mark"),
    "no STOP": (b"\x80\x02N", "the file is cut|ends with"),
    "no value": (b"\x80\x02.", "instead of one"),
    "two values": (b"\x80\x02NN.", "instead of one"),
    "future protocol": (b"\x80\x02\x80\x09N.", "protocol 9"),
    "no opcode": (b"\x80\x02\xff.", "no pickle opcode"),
    "not UTF-8": (b"\x80\x02X\x02\x00\x00\x00\xff\xfe.", "UTF-8"),
    "lone surrogate": (b"\x80\x02}X\x03\x00\x00\x00\xed\xa0\x80Ns.", "UTF-8"),
    "only a number": (b"\x80\x02K\x01.", "holds no tensor"),
    "nothing": (b"\x80\x02}.", "holds no tensor"),
}


def array_pickle(shape: bytes, data: bytes, dtype: bytes = b"X\x02\x00\x00\x00f4", name: str = "a") -> bytes:
    """{name: array} with a shape, type and data of our choice, given as opcodes."""
    return (
        b"\x80\x04}"
        + text(name)
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
        + shape
        + b"cnumpy\ndtype\n"
        + dtype
        + b"\x89\x88\x87R\x89"
        + data
        + b"tbs."
    )


SLICES = {"OriginShape": (4,), "slices": ["b@@.0"]}
FOUR = b"C\x10" + bytes(16)
# Bare pickles whose arrays lie (`.pdparams`).
ARRAYS: dict[str, tuple[bytes, str]] = {
    "array of exabytes": (array_pickle(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", FOUR), "far more|no machine"),
    "array too long": (array_pickle(b"K\x05\x85", FOUR), "needs 20 bytes and has 16"),
    "array too short": (array_pickle(b"K\x03\x85", FOUR), "needs 12 bytes and has 16"),
    "negative extent": (array_pickle(b"J\xff\xff\xff\xff\x85", FOUR), "extents"),
    "extents that overflow": (array_pickle((b"\x8a\x09" + bytes(8) + b"\x01") * 2 + b"\x86", FOUR), "extents"),
    "empty of huge extents": (array_pickle(b"K\x00" + b"\x8a\x08" + b"\xff" * 7 + b"\x3f\x86", b"C\x00"), "no machine"),
    "extent of text": (array_pickle(text("x") + b"\x85", FOUR), "extents"),
    "extent True": (array_pickle(b"\x88K\x04\x86", FOUR), "extents"),
    "shape no tuple": (array_pickle(b"]", FOUR), "not numpy's"),
    "dimensions": (array_pickle(b"(" + b"K\x01" * 100 + b"t", FOUR), "dimensions"),
    "objects": (array_pickle(b"K\x02\x85", b"](NNe", text("O")), "refused"),
    "object type code": (array_pickle(b"K\x02\x85", FOUR, text("O8")), "refused"),
    "subarray type": (array_pickle(b"K\x02\x85", FOUR, text("(4,)f4")), "refused"),
    "nested type": (array_pickle(b"K\x02\x85", FOUR, text("f4,f4")), "refused"),
    "data a number": (array_pickle(b"K\x04\x85", b"K\x07"), "instead of bytes"),
    "array without data": (
        b"\x80\x04}" + text("a") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87Rs.",
        "has no data",
    ),
    "reconstruct of another class": (
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\nccollections\nOrderedDict\n)C\x01b\x87R.",
        "not numpy.ndarray",
    ),
    "persistent id": (b"\x80\x02" + text("x") + b"Q.", "persistent id"),
    "bytes after the end": (state(".pdparams") + b"more", "left over"),
    "name table of numbers": (pickle.dumps({"StructuredToParameterName@@": {1: 2}}, 4), "not a table"),
    "slices of nothing": (
        pickle.dumps({"a": np.ones(2), "UnpackBigParamInfor@@": {"b": SLICES}}, 2),
        "missing or used twice",
    ),
    "slices that do not add up": (
        pickle.dumps({"b@@.0": np.ones(2), "UnpackBigParamInfor@@": {"b": SLICES}}, 2),
        "do not add up",
    ),
    "slices of no shape": (pickle.dumps({"b": np.ones(2), "UnpackBigParamInfor@@": {"b": {}}}, 2), "without slices"),
    "slices no table": (pickle.dumps({"b@@.0": np.ones(2), "UnpackBigParamInfor@@": 3}, 2), "damaged"),
    "names that meet": (pickle.dumps({"a.b": np.ones(2), "a": {"b": np.ones(2)}}, 4), "two tensors get the name"),
    "one array many times": (
        array_pickle(b"M\x10\x27\x85", b"B\x40\x9c\x00\x00" + bytes(40_000))[:-2].replace(b"tb", b"tb\x94", 1)
        + b"s" + b"".join(text(f"b{i}") + b"h\x00s" for i in range(1000)) + b".",
        "far more than a file",
    ),
}  # fmt: skip


def tensor_pickle(identifier: bytes, arguments: bytes, rebuild: str = "_rebuild_tensor_v2") -> bytes:
    """{"a": tensor} from the opcodes of a persistent id and of the rebuild arguments after the storage."""
    return b"\x80\x02}" + text("a") + f"ctorch._utils\n{rebuild}\n(".encode() + identifier + b"Q" + arguments + b"tRs."


def storage_id(numel: bytes = b"K\x04", key: bytes | None = None, kind: bytes = b"ctorch\nFloatStorage\n") -> bytes:
    return b"(" + text("storage") + kind + (key or text("0")) + text("cuda:0") + numel + b"t"


PLAIN = b"K\x00K\x04\x85K\x01\x85\x89N"  # offset 0, size (4,), stride (1,), no gradient, no hooks
HUGE = b"\x8a\x07" + b"\xff" * 6 + b"\x0f"
# Pickles in a zip archive that holds one storage of 16 bytes, "0" (`.pth`).
TORCH: dict[str, tuple[bytes, str]] = {
    "tensor of terabytes by strides": (
        tensor_pickle(storage_id(), b"K\x00" + HUGE + b"\x85K\x00\x85\x89N"),
        "far more|no machine",
    ),
    "tensor too large": (tensor_pickle(storage_id(), b"K\x00K\x05\x85K\x01\x85\x89N"), "reaches element 4"),
    "stride too large": (tensor_pickle(storage_id(), b"K\x00K\x02\x85" + HUGE + b"\x85\x89N"), "reaches element"),
    "offset too large": (tensor_pickle(storage_id(), b"K\x01K\x04\x85K\x01\x85\x89N"), "reaches element 4"),
    "negative offset": (tensor_pickle(storage_id(), b"J\xff\xff\xff\xffK\x04\x85K\x01\x85\x89N"), "offset"),
    "negative stride": (tensor_pickle(storage_id(), b"K\x03K\x04\x85J\xff\xff\xff\xff\x85\x89N"), "strides"),
    "negative size": (tensor_pickle(storage_id(), b"K\x00J\xff\xff\xff\xff\x85K\x01\x85\x89N"), "extents"),
    "sizes and strides differ": (tensor_pickle(storage_id(), b"K\x00K\x04\x85)\x89N"), "strides"),
    "size no tuple": (tensor_pickle(storage_id(), b"K\x00K\x04K\x01\x85\x89N"), "sizes"),
    "storage of terabytes": (tensor_pickle(storage_id(HUGE), PLAIN), "has 16 bytes"),
    "storage of another type": (tensor_pickle(storage_id(kind=b"ctorch\nDoubleStorage\n"), PLAIN), "has 16 bytes"),
    "quantized storage": (tensor_pickle(storage_id(kind=b"ctorch\nQInt8Storage\n"), PLAIN), r"torch\.QInt8Storage"),
    "type that is no storage": (tensor_pickle(storage_id(kind=b"ctorch\nSize\n"), PLAIN), "storage type"),
    "storage elsewhere": (tensor_pickle(storage_id(key=text("../../etc/passwd")), PLAIN), "missing"),
    "storage that is missing": (tensor_pickle(storage_id(key=text("7")), PLAIN), "missing"),
    "key a number": (tensor_pickle(storage_id(key=b"K\x00"), PLAIN), "without a key"),
    "number of elements True": (tensor_pickle(storage_id(b"\x88"), PLAIN), "without a key"),
    "persistent id too short": (tensor_pickle(b"(" + text("storage") + b"t", PLAIN), "1 parts"),
    "persistent id empty": (tensor_pickle(b")", PLAIN), "persistent id"),
    "persistent id text": (tensor_pickle(text("storage"), PLAIN), "persistent id"),
    "persistent id a list": (tensor_pickle(b"]", PLAIN), "persistent id"),
    "pickled module": (tensor_pickle(b"(" + text("module") + b"NNNt", PLAIN), "whole pickled model"),
    "tensor without storage": (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(N" + PLAIN + b"tR.", "whose storage"),
    "type v3 unknown": (
        tensor_pickle(storage_id(), PLAIN + b"ctorch\nfloat8_e5m2\n", "_rebuild_tensor_v3"),
        "float8_e5m2",
    ),
    "conjugated": (tensor_pickle(storage_id(), PLAIN + b"}" + text("conj") + b"\x88s"), "conjugated"),
    "tensor subclass": (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\ntuple\nctorch\nTensor\n)Nt" + b"R.",
        "not torch's own",
    ),
}


def one_member(**changes: Any) -> bytes:
    """A zip archive of data.pkl and one storage whose directory entry of the storage is changed."""
    raw = bytearray(torch_zip(tensor_pickle(storage_id(), PLAIN), {"0": bytes(16)}))
    entry = raw.rfind(b"PK\x01\x02")
    offsets = {"flags": (8, "<H"), "method": (10, "<H"), "stored": (20, "<I"), "size": (24, "<I"), "local": (42, "<I")}
    for field, value in changes.items():
        offset, layout = offsets[field]
        struct.pack_into(layout, raw, entry + offset, value)
    return bytes(raw)


def with_end(**changes: int) -> bytes:
    """The same archive with a changed end record."""
    raw = bytearray(one_member())
    end = raw.rfind(b"PK\x05\x06")
    offsets = {"count": (10, "<H"), "size": (12, "<I"), "start": (16, "<I")}
    for field, value in changes.items():
        offset, layout = offsets[field]
        struct.pack_into(layout, raw, end + offset, value)
    return bytes(raw)


def deflate_bomb(claimed: int | None = None) -> bytes:
    """200 MB of zeros in 200 kB; `claimed` lies about the size instead."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(engine.compress(bytes(1 << 20)) for _ in range(200)) + engine.flush()
    size = 200 << 20 if claimed is None else claimed
    name = b"archive/data.pkl"
    common = struct.pack("<HHHHIIIHH", 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + common + name + packed
    entry = b"PK\x01\x02" + struct.pack("<HH", 20, 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + entry + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)


GOOD_PICKLE = tensor_pickle(storage_id(), PLAIN)
ZIPS: dict[str, tuple[bytes, str]] = {
    "traversal": (archive_of({"archive/data.pkl": GOOD_PICKLE, "archive/../../evil": b""}), "leads out"),
    "absolute": (archive_of({"/etc/passwd": b"", "archive/data.pkl": GOOD_PICKLE}), "leads out"),
    "backslash": (archive_of({"a\\..\\b": b"", "archive/data.pkl": GOOD_PICKLE}), "leads out"),
    "no pickle": (archive_of({"archive/other": b"x"}), "0 members data.pkl"),
    "two pickles": (archive_of({"a/data.pkl": GOOD_PICKLE, "b/data.pkl": GOOD_PICKLE}), "2 members data.pkl"),
    "torchscript": (archive_of({"a/data.pkl": GOOD_PICKLE, "a/constants.pkl": b""}), "TorchScript"),
    "bomb": (deflate_bomb(), "too much for a file"),
    "bomb that lies": (deflate_bomb(100), "does not unpack to"),
    "encrypted": (one_member(flags=1), "encrypted"),
    "bzip2": (one_member(method=12), "method 12"),
    "stored of two sizes": (one_member(size=17), "method 0"),
    "beyond the end": (one_member(stored=10**6, size=10**6), "more than the file holds"),
    "local header elsewhere": (one_member(local=5), "no header where"),
    "overlapping members": (one_member(local=0), "another name"),
    "directory beyond": (with_end(start=10**9), "outside"),
    "directory too short": (with_end(size=50), "damaged"),
    "too many members": (with_end(count=60_000), "damaged"),
    "zip64 without record": (with_end(start=0xFFFFFFFF), "zip64"),
    "byte order": (
        archive_of({"a/data.pkl": GOOD_PICKLE, "a/byteorder": b"middle", "a/data/0": bytes(16)}),
        "byte order",
    ),
    "pickle that goes on": (torch_zip(GOOD_PICKLE + b"N.", {"0": bytes(16)}), "goes on after its end"),
    "metadata no JSON": (
        archive_of({"a/data.pkl": GOOD_PICKLE, "a/data/0": bytes(16), "a/segparity.json": b"[" * 100_000}),
        "JSON",
    ),
    "flipped bit": (one_member().replace(bytes(16), bytes(7) + b"\x01" + bytes(8), 1), "checksum is wrong"),
}


def overlapping_zip() -> bytes:
    """Two directory entries with the same bytes: the classical bomb without compression."""
    raw = torch_zip(GOOD_PICKLE, {"0": bytes(16)})
    start = raw.find(b"PK\x01\x02")
    directory = raw[start : raw.rfind(b"PK\x05\x06")]
    second = directory[directory.rfind(b"PK\x01\x02") :].replace(b"archive/data/0", b"archive/data/0")
    body = raw[:start] + directory + second.replace(b"data/0", b"data/1")
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 3, 3, len(directory) + len(second), start, 0)
    return body + end


def safetensors(header: Any, data: bytes = b"", size: int | None = None) -> bytes:
    """A safetensors file with any header (text as it is, everything else as JSON)."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if size is None else size) + raw + data


def entry(shape: Any = (4,), begin: Any = 0, end: Any = 16, dtype: Any = "F32", **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


SIXTEEN = bytes(16)
SAFETENSORS: dict[str, tuple[bytes, str]] = {
    "header of exabytes": (safetensors({"a": entry()}, SIXTEEN, 2**63), "header claims"),
    "header too long": (safetensors({"a": entry()}, SIXTEEN, 10**6), "header claims"),
    "header cut": (safetensors({"a": entry()}, SIXTEEN, 20), "JSON"),
    "not JSON": (safetensors(b"{not json}"), "JSON"),
    "a list": (safetensors(b"{" + b'"a":1}'), "dtype, shape and data_offsets"),
    "deep JSON": (safetensors(b'{"a":' + b"[" * 40_000 + b"]" * 40_000 + b"}"), "JSON|too many entries"),
    "deep JSON objects": (safetensors(b'{"a":' * 40_000 + b"1" + b"}" * 40_000), "JSON|too many entries"),
    "flood of lists": (safetensors(b'{"a":[' + b"[]," * 1_000_000 + b"[]]}"), "too many entries"),
    "huge number": (safetensors(b'{"a":' + b"9" * 100_000 + b"}"), "JSON"),
    "name twice": (safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), SIXTEEN), "twice"),
    "field twice": (
        safetensors(b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}', SIXTEEN),
        "twice",
    ),
    "overlap": (safetensors({"a": entry(), "b": entry((2,), 8, 16)}, SIXTEEN), "overlaps"),
    "gap": (safetensors({"a": entry((1,), 0, 4), "b": entry((2,), 8, 16)}, SIXTEEN), "belong to no tensor"),
    "left over": (safetensors({"a": entry((2,), 0, 8)}, SIXTEEN), "belong to none"),
    "shape of terabytes": (safetensors({"a": entry((2**40,), 0, 2**42)}, SIXTEEN), "far more than a file"),
    "ends beyond": (safetensors({"a": entry((8,), 0, 32)}, SIXTEEN), "cut or damaged"),
    "extents that overflow": (safetensors({"a": entry((2**32, 2**32, 2**32))}, SIXTEEN), "no machine"),
    "shape and bytes differ": (safetensors({"a": entry((3,))}, SIXTEEN), "has 16 bytes"),
    "negative extents": (safetensors({"a": entry((-2, -2))}, SIXTEEN), "extents"),
    "extent 4.0": (safetensors({"a": entry((4.0,))}, SIXTEEN), "extents"),
    "extent true": (safetensors({"a": entry((True, 4))}, SIXTEEN), "extents"),
    "shape text": (safetensors({"a": entry("4")}, SIXTEEN), "for a shape"),
    "huge extent": (safetensors({"a": entry((10**400,))}, SIXTEEN), "extents"),
    "offsets backwards": (safetensors({"a": entry((4,), 16, 0)}, SIXTEEN), "data_offsets"),
    "offset negative": (safetensors({"a": entry((4,), -16, 0)}, SIXTEEN), "data_offsets"),
    "offset a float": (safetensors({"a": entry((4,), 0.0, 16)}, SIXTEEN), "data_offsets"),
    "offset huge": (safetensors({"a": entry((4,), 0, 10**300)}, SIXTEEN), "cut or damaged"),
    "unknown type": (safetensors({"a": entry(dtype="F8_E4M3", shape=(16,))}, SIXTEEN), "F8_E4M3"),
    "type a list": (safetensors({"a": entry(dtype=["F32"])}, SIXTEEN), "type"),
    "wrong type": (safetensors({"a": entry(dtype="F64")}, SIXTEEN), "has 16 bytes"),
    "field missing": (safetensors({"a": {"dtype": "F32", "shape": [4]}}, SIXTEEN), "does not have exactly"),
    "field too many": (safetensors({"a": entry(more=1)}, SIXTEEN), "does not have exactly"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}, "b": entry()}, SIXTEEN), "metadata"),
    "metadata a list": (safetensors({"__metadata__": [], "b": entry()}, SIXTEEN), "metadata"),
    "nothing": (safetensors({}), "holds no tensor"),
    "lone surrogate": (safetensors(b'{"\\ud800":%s}' % json.dumps(entry()).encode(), SIXTEEN), "no name"),
    "too many dimensions": (safetensors({"a": entry([1] * 40 + [4])}, SIXTEEN), "dimensions"),
}


def ndarray(
    shape: tuple[int, ...] = (4,), data: bytes = SIXTEEN, flag: int = 0, stype: int = 0, magic: int = 0xF993FAC9
) -> bytes:
    """One array of an MXNet list."""
    if magic in (0xF993FAC9, 0xF993FACA):
        head = struct.pack(f"<Iii{len(shape)}q", magic, stype, len(shape), *shape)
    elif magic == 0xF993FAC8:
        head = struct.pack(f"<Ii{len(shape)}q", magic, len(shape), *shape)
    else:
        head = struct.pack(f"<I{len(shape)}I", len(shape), *shape)
    return head + struct.pack("<iii", 1, 0, flag) + data


def ndlist(arrays: list[bytes], names: list[bytes], count: int | None = None, name_count: int | None = None) -> bytes:
    """An MXNet list of arrays."""
    head = struct.pack("<QQQ", 0x112, 0, len(arrays) if count is None else count)
    tail = struct.pack("<Q", len(names) if name_count is None else name_count)
    return head + b"".join(arrays) + tail + b"".join(struct.pack("<Q", len(name)) + name for name in names)


PARAMS: dict[str, tuple[bytes, str]] = {
    "count of exabytes": (ndlist([ndarray()], [b"a"], count=2**60), "announced"),
    "too many": (ndlist([ndarray()], [b"a"], count=2), "."),
    "too few": (ndlist([ndarray(), ndarray()], [b"a", b"b"], count=1), "."),
    "nothing": (ndlist([], []), "holds no tensor|cut"),
    "shape of terabytes": (ndlist([ndarray((2**40,))], [b"a"]), "far more than a file"),
    "extents that overflow": (ndlist([ndarray((2**32, 2**32, 2**32))], [b"a"]), "no machine"),
    "negative extent": (ndlist([ndarray((-1,))], [b"a"]), "shape"),
    "two negative extents": (ndlist([ndarray((-2, -2))], [b"a"]), "shape"),
    "data cut": (ndlist([ndarray((5,))], [b"a"]), "."),
    "unknown type": (ndlist([ndarray(flag=99)], [b"a"]), "element type 99"),
    "negative type": (ndlist([ndarray(flag=-1)], [b"a"]), "element type -1"),
    "row_sparse": (ndlist([ndarray(stype=1)], [b"a"]), "row_sparse"),
    "csr": (ndlist([ndarray(stype=2)], [b"a"]), "csr"),
    "unknown storage": (ndlist([ndarray(stype=7)], [b"a"]), r"unknown \(7\)"),
    "dimensions": (ndlist([struct.pack("<Iii", 0xF993FAC9, 0, 10**9)], [b"a"]), "dimensions|cut"),
    "negative dimensions": (ndlist([struct.pack("<Iii", 0xF993FACA, 0, -1) + bytes(40)], [b"a"]), "no data"),
    "legacy dimensions": (ndlist([struct.pack("<I", 2**32 - 1) + bytes(40)], [b"a"]), "dimensions"),
    "no data": (ndlist([struct.pack("<Iii", 0xF993FAC9, 0, 0) + bytes(12)], [b"a"]), "no data"),
    "device": (
        ndlist([ndarray().replace(struct.pack("<iii", 1, 0, 0), struct.pack("<iii", 77, 0, 0))], [b"a"]),
        "device",
    ),
    "names differ": (ndlist([ndarray(), ndarray()], [b"a"]), "1 names for 2"),
    "name of exabytes": (ndlist([ndarray()], [], name_count=1) + struct.pack("<Q", 2**62) + b"a", "cut or damaged"),
    "long name": (ndlist([ndarray()], [b"a" * 5000]), "5.0 kB"),
    "name twice": (ndlist([ndarray(), ndarray()], [b"a", b"a"]), "same name"),
    "name twice by role": (ndlist([ndarray(), ndarray()], [b"arg:a", b"aux:a"]), "same name"),
    "name not UTF-8": (ndlist([ndarray()], [b"\xff\xfe"]), "UTF-8"),
    "left over": (ndlist([ndarray()], [b"a"]) + b"x", "left over"),
    "reserved": (ndlist([ndarray()], [b"a"])[:8] + b"\x01" + ndlist([ndarray()], [b"a"])[9:], "."),
}


def write_all(folder: Path) -> dict[Path, str]:
    """Writes every hostile file; returns the message each must be refused with."""
    makers: list[tuple[str, dict[str, tuple[bytes, str]], str, Callable[[bytes], bytes]]] = [
        ("bare", PICKLES, ".pdparams", bytes),
        ("zip", PICKLES, ".pth", torch_zip),
        ("legacy", PICKLES, ".legacy.pth", lambda raw: legacy(raw, [], [])),
        ("array", ARRAYS, ".pdparams", bytes),
        ("torch", TORCH, ".pth", lambda raw: torch_zip(raw, {"0": SIXTEEN})),
        ("zipped", ZIPS | {"overlap": (overlapping_zip(), "overlap")}, ".pt", bytes),
        ("safe", SAFETENSORS, ".safetensors", bytes),
        ("mxnet", PARAMS, ".params", bytes),
    ]
    expected = {}
    for kind, table, extension, wrap in makers:
        for name, (raw, message) in table.items():
            path = folder / f"{kind} {name.replace('/', '_')}{extension}"
            path.write_bytes(wrap(raw))
            expected[path] = message
    return expected


# Archives, and what Paddle's static graph leaves.


def tar(members: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE, link: str = "", gz: bool = False) -> bytes:
    """An archive of members of one kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if gz else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol-buffer message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


PADDLE_TYPES = {"float32": 5, "float64": 6, "int64": 3, "bfloat16": 22}


def tensor_desc(shape: tuple[int, ...], kind: str = "float32") -> bytes:
    return field(1, PADDLE_TYPES[kind]) + b"".join(field(2, extent) for extent in shape)


def paddle_tensor(array: np.ndarray, kind: str | None = None) -> bytes:
    """One tensor of a stream."""
    desc = tensor_desc(array.shape, kind or array.dtype.name)
    return bytes(16) + struct.pack("<i", len(desc)) + desc + array.tobytes()


def paddle_program(arrays: dict[str, np.ndarray], used: tuple[str, ...] = ()) -> bytes:
    """A program that keeps these tensors, feeds one, and uses them in the order of `used`."""
    variables = [
        field(
            3,
            field(1, name.encode())
            + field(2, field(1, 7) + field(3, field(1, tensor_desc(a.shape, a.dtype.name))))
            + field(3, 1),
        )
        for name, a in arrays.items()
    ]
    variables.append(field(3, field(1, b"feed") + field(2, field(1, 9)) + field(3, 1)))
    variables.append(field(3, field(1, b"x") + field(2, field(1, 7) + field(3, field(1, tensor_desc((-1, 3)))))))
    operators = [
        field(4, field(1, field(1, b"Filter") + field(2, name.encode())) + field(3, b"conv2d")) for name in used
    ]
    return field(1, field(1, 0) + field(2, -1) + b"".join(variables + operators))
