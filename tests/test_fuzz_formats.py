"""Fuzzing of every reader: whatever the bytes, the only exception is WeightsError, and what is read can be used.

The readers are called directly on bytes in memory, so nothing between them and the test hides an exception.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import WeightsError
from tests import hostile_files
from weights_convert.formats import FORMATS, Limits, Tensors, bundle
from weights_convert.formats import _read as read_bytes

QUICK, LONG = 300, 10_000
LIMITS = Limits()
UNCHECKED = Limits(verify_checksums=False)  # lets flipped bits in records pass, to reach what lies behind


def usable(extension: str, raw: bytes, limits: Limits = LIMITS) -> bool:
    """Read the bytes; whether they were accepted. Any other exception than WeightsError fails the test."""
    try:
        tensors = FORMATS[extension].read(Path("fuzzed"), memoryview(raw), limits)
    except WeightsError as error:
        message = str(error)
        tensors = None
    if tensors is None:
        assert "fuzzed" in message
        assert len(message) < 20_000
        return False
    assert len(tensors) > 0
    total = 0
    for name, array in tensors.items():
        assert isinstance(name, str)
        assert array.dtype.byteorder in "<=|"
        total += array.nbytes
        with np.errstate(all="ignore"):
            np.array(array).sum()  # touches every byte
    assert total <= 8 * len(raw) + (2 << 20)
    return True


def corpus() -> list[tuple[str, bytes]]:
    """One small valid file of each kind."""
    files = [
        (extension, hostile_files.state(extension))
        for extension in (".safetensors", ".pth", ".pdparams", ".params", ".npz")
    ]
    plain = hostile_files.torch_zip(hostile_files.GOOD_PICKLE, {"0": bytes(16)})
    arrays = [
        hostile_files.ndarray(magic=0xF993FAC8),
        hostile_files.ndarray(magic=0),
        hostile_files.ndarray((), bytes(4), magic=0xF993FACA),
        hostile_files.ndarray((8,), flag=12),
    ]
    mixed = hostile_files.ndlist(arrays, [b"arg:a", b"arg:b", b"aux:c", b"arg:d"])
    return [*files, (".pth", hostile_files.legacy_state()), (".pth", plain), (".params", mixed)]


CORPUS = corpus()


def test_the_corpus_is_valid() -> None:
    assert all(usable(extension, raw) for extension, raw in CORPUS)


INTERESTING = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(8), b"\xff" * 8]
INTERESTING += [
    b"PK\x03\x04",
    b"PK\x05\x06",
    b".",
    b"(",
    b"t",
    b"R",
    b"b",
    b"Q",
    b"}",
    b"]",
    b"0",
    b"2",
    b"h\x00",
    b"q\x00",
]


@st.composite
def mutated(draw: st.DrawFn, index: int) -> tuple[str, bytes]:
    """A valid file with a few flips, overwritten words, cuts, repeats and pieces of other files."""
    extension, raw = CORPUS[index]
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(1, 40))
        match draw(st.integers(0, 5)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                piece = draw(st.sampled_from(INTERESTING))
                data[at : at + len(piece)] = piece
            case 2:
                data[at:at] = draw(st.sampled_from(INTERESTING))
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case _:
                other = draw(st.sampled_from(CORPUS))[1]
                start = draw(st.integers(0, len(other) - 1))
                data[at : at + draw(st.integers(0, 40))] = other[start : start + length]
    return extension, bytes(data)


OPCODES = [bytes([code]) for code in range(256)]
NAMES = [
    b"ccollections\nOrderedDict\n",
    b"ccollections\nCounter\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_tensor_v3\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nBFloat16Storage\n",
    b"ctorch.storage\nUntypedStorage\n",
    b"ctorch\nuint16\n",
    b"ctorch\nSize\n",
    b"ctorch\ndevice\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy.core.numeric\n_frombuffer\n",
    b"cnumpy\nndarray\n",
    b"cnumpy\ndtype\n",
    b"c_codecs\nencode\n",
    b"cbuiltins\ntuple\n",
    b"cbuiltins\nbytes\n",
    b"cos\nsystem\n",
    b"cargparse\nNamespace\n",
    b"cpackage.module\nThing\n",
    b"cbuiltins\ngetattr\n",
]
ATOMS = [hostile_files.text(word) for word in ("storage", "0", "cpu", "f4", "<", "a", "latin1", "conj", "ä")]
ATOMS += [
    b"K\x00",
    b"K\x01",
    b"K\x04",
    b"J\xff\xff\xff\xff",
    b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b"N",
    b"\x88",
    b"]",
    b"}",
    b")",
]
ATOMS += [b"C\x10" + bytes(16), b"G" + bytes(8), b"K\x04\x85", b"K\x01\x85", hostile_files.storage_id() + b"Q"]
VERBS = [
    b"(",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"R",
    b"b",
    b"Q",
    b"s",
    b"u",
    b"a",
    b"e",
    b"0",
    b"1",
    b"2",
    b"\x81",
    b"\x93",
]
VERBS += [b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"\x94", b"\x8f", b"\x90", b"\x91", hostile_files.PLAIN]

VALUES = st.recursive(
    st.sampled_from(ATOMS + NAMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8).map(lambda parts: b"(" + b"".join(parts) + b"t"),
        st.tuples(st.sampled_from(NAMES), st.lists(inner, max_size=8)).map(
            lambda pair: pair[0] + b"(" + b"".join(pair[1]) + b"tR"
        ),
        st.tuples(inner, inner).map(lambda pair: b"".join(pair) + b"b"),
        inner.map(lambda value: b"}" + hostile_files.text("a") + value + b"s"),
        inner.map(lambda value: value + b"Q"),
    ),
    max_leaves=25,
)
"""Well-formed pickles of known names with arguments of every wrong kind."""

LOOSE = st.lists(st.sampled_from(ATOMS + NAMES + VERBS + OPCODES), max_size=40).map(b"".join)
PICKLED = st.one_of(VALUES.map(lambda value: b"}" + hostile_files.text("w") + value + b"s"), VALUES, LOOSE)


def check_pickle(body: bytes) -> None:
    raw = b"\x80\x04" + body + b"."
    usable(".pdparams", raw)
    usable(".pth", hostile_files.torch_zip(raw, {"0": bytes(16)}))
    usable(".pth", hostile_files.legacy(raw, ["0"], [b"\x04" + bytes(7), bytes(16)]))


NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, 10**30, -(2**63), 0.5, True, None, "4", []]),
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "U8", "BOOL", "C64", "F8_E4M3", "", 3, None]),
        "shape": st.one_of(st.lists(NUMBERS, max_size=4), NUMBERS),
        "data_offsets": st.one_of(
            st.lists(NUMBERS, max_size=3), st.tuples(st.integers(0, 16), st.integers(0, 64)).map(list)
        ),
    }
)
HEADERS = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__", "", "ä", "\ud800"]), st.one_of(ENTRIES, NUMBERS), max_size=4
)


NPY_HEADERS = st.one_of(
    st.builds(
        lambda code, order, shape: repr({"descr": code, "fortran_order": order, "shape": shape}),
        st.sampled_from(["<f4", ">f8", "|b1", "|O", "<U4", "V8", [("a", "<f4")], "", 3, None, "f4,f4", "<M8[s]"]),
        st.sampled_from([True, False, 0, "no", None]),
        st.one_of(st.lists(NUMBERS, max_size=4).map(tuple), NUMBERS),
    ),
    st.text(alphabet="{}[]()'\":,-1j\\ \n\0äx", max_size=60),
    st.sampled_from(["(" * 5000, "-" * 9000, "{[]: 1}", "[" * 90 + "]" * 90, "9" * 9000, "'\\d'"]),
)


@st.composite
def mxnet_lists(draw: st.DrawFn) -> bytes:
    """Lists whose fields are each right or wrong."""
    extents = st.one_of(st.integers(0, 5), st.sampled_from([-1, 2**31, 2**40, 2**62]))
    arrays = []
    for _ in range(draw(st.integers(0, 4))):
        magic = draw(st.sampled_from([0xF993FAC8, 0xF993FAC9, 0xF993FACA, 0]))
        shape = tuple(draw(st.lists(extents, max_size=4)))
        if magic == 0:
            shape = tuple(abs(extent) % 2**32 for extent in shape)
        size = draw(st.sampled_from([0, 4, 16, 64]))
        flag, storage = draw(st.integers(-1, 14)), draw(st.sampled_from([0, 0, 0, 0, 1, 2, 9]))
        arrays.append(hostile_files.ndarray(shape, bytes(size), flag, storage, magic))
    names = draw(st.lists(st.sampled_from([b"a", b"b", b"arg:a", b"aux:b", b"", b"\xff"]), max_size=4))
    count = draw(st.one_of(st.none(), st.sampled_from([0, 1, 2**63])))
    return hostile_files.ndlist(arrays, names, count)


def check_header(header: dict[str, object]) -> None:
    usable(".safetensors", hostile_files.safetensors(json.dumps(header).encode(), bytes(64)))


def check_npy(header: str) -> None:
    usable(".npz", hostile_files.npz(header.encode("utf-8", "surrogatepass"), bytes(64)))


def check_mutated(case: tuple[str, bytes]) -> None:
    usable(*case)
    usable(*case, limits=UNCHECKED)


def check_noise(raw: bytes) -> None:
    for extension in (".safetensors", ".pth", ".pdparams", ".params", ".npz"):
        usable(extension, raw)
    usable(".pdparams", b"\x80\x04" + raw)
    usable(".pth", b"PK\x03\x04" + raw)
    usable(".pth", hostile_files.MAGIC + raw)
    usable(".params", struct.pack("<QQ", 0x112, 0) + raw)


TARGETS: dict[str, tuple[Callable[..., None], st.SearchStrategy[object]]] = {
    f"mutated {index} {extension}": (check_mutated, mutated(index)) for index, (extension, _) in enumerate(CORPUS)
}
# Files that are read together: the name of the one that is fuzzed, its bytes, and what lies beside it.
ARRAYS = {"a.w_0": np.ones((2, 3), np.float32), "b.w_0": np.ones(4, np.float32)}
STREAM = b"".join(hostile_files.paddle_tensor(array) for array in ARRAYS.values())
INDEX = json.dumps({"weight_map": {"w": "a.safetensors", "h": "a.safetensors"}}).encode()
HYPERPARAMETERS = json.dumps({"algorithm": "psp", "num_classes": "5", "crop_size": 240}).encode()
# A batch norm whose gamma is the tensor "w" of the parameters beside it, behind a strided convolution.
SYMBOL = json.dumps(
    {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "null", "name": "w", "inputs": []},
            {"op": "Convolution", "name": "c", "attrs": {"stride": "(2, 2)"}, "inputs": [[0, 0, 0], [1, 0, 0]]},
            {"op": "BatchNorm", "name": "b", "attrs": {"eps": "1e-05"}, "inputs": [[2, 0, 0], [1, 0, 0]]},
        ]
    }
).encode()
TOGETHER: dict[str, tuple[str, bytes, dict[str, bytes]]] = {
    "symbol": ("net-symbol.json", SYMBOL, {"net-0001.params": hostile_files.state(".params")}),
    "tar": ("m.tar", hostile_files.tar({"a/model.params": hostile_files.state(".params")}), {}),
    "gzip": ("m.tgz", hostile_files.tar({"model.params": hostile_files.state(".params")}, gz=True), {}),
    "paddle program": ("n.pdmodel", hostile_files.paddle_program(ARRAYS, ("b.w_0",)), {"n.pdiparams": STREAM}),
    "paddle stream": ("n.pdiparams", STREAM, {"n.pdmodel": hostile_files.paddle_program(ARRAYS)}),
    "paddle folder": ("b.w_0", STREAM[: len(STREAM) // 2], {"a.w_0": hostile_files.paddle_tensor(ARRAYS["a.w_0"])}),
    "index": ("m.safetensors.index.json", INDEX, {"a.safetensors": hostile_files.state(".safetensors")}),
    "hyperparameters": ("hyperparams.json", HYPERPARAMETERS, {"model_algo-1": hostile_files.state(".params")}),
}


def check_together(name: str, raw: bytes, beside: dict[str, bytes]) -> bool:
    """The files in memory, read as those of a folder or as an archive; whether they were accepted."""
    files = {name: raw, **beside}
    path = Path("fuzzed") / name

    def read_file(path: Path, data: memoryview) -> Tensors:
        return read_bytes(path, data, LIMITS, False)

    try:
        if name.endswith((".tar", ".tgz")):
            tensors = read_bytes(path, memoryview(raw), LIMITS, False)
        else:
            folder = bundle.Bundle(path.parent, tuple(files), lambda file: memoryview(files[file]))
            tensors = bundle.read(folder, LIMITS, read_file)
    except WeightsError as error:
        message, tensors = str(error), Tensors({})
    if not tensors:
        assert "fuzzed" in message
        assert len(message) < 20_000
        return False
    with np.errstate(all="ignore"):
        for array in tensors.values():
            np.array(array).sum()
    return True


@st.composite
def changed(draw: st.DrawFn, raw: bytes) -> bytes:
    """A few bytes flipped, replaced, cut out or repeated."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, max(len(data) - 1, 0))), draw(st.integers(1, 40))
        match draw(st.integers(0, 3)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                piece = draw(st.sampled_from(INTERESTING))
                data[at : at + len(piece)] = piece
            case 2:
                del data[at : at + length]
            case _:
                data[at:at] = data[at : at + length]
    return bytes(data)


def test_what_is_read_together_is_valid() -> None:
    valid = {kind: check_together(*case) for kind, case in TOGETHER.items() if kind != "paddle folder"}
    assert all(valid.values()), valid


def together(kind: str) -> tuple[Callable[..., None], st.SearchStrategy[object]]:
    name, raw, beside = TOGETHER[kind]
    return lambda data: check_together(name, data, beside) and None, changed(raw)


TARGETS |= {kind: together(kind) for kind in TOGETHER}
TARGETS |= {
    "pickles": (check_pickle, PICKLED),
    "safetensors headers": (check_header, HEADERS),
    "mxnet lists": (lambda raw: usable(".params", raw) and None, mxnet_lists()),
    "npy headers": (check_npy, NPY_HEADERS),
    "noise": (check_noise, st.binary(max_size=200)),
}


def fuzz(target: str, examples: int) -> None:
    check, strategy = TARGETS[target]
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

    @settings(max_examples=examples, deadline=None, suppress_health_check=quiet, database=None)
    @given(strategy)
    def run(case: object) -> None:
        check(case)

    run()


@pytest.mark.parametrize("target", list(TARGETS))
def test_fuzz(target: str) -> None:
    fuzz(target, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("target", list(TARGETS))
def test_fuzz_long(target: str) -> None:
    fuzz(target, LONG)


def test_fuzzing_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that lets another exception out fails the fuzzing: the harness is not blind."""
    raw = hostile_files.state(".safetensors")
    broken = replace(FORMATS[".safetensors"], read=lambda path, data, limits: json.loads(bytes(data)))
    monkeypatch.setitem(FORMATS, ".safetensors", broken)
    with pytest.raises(UnicodeDecodeError):
        check_mutated((".safetensors", b"\xff" + raw))


@pytest.mark.parametrize(("extension", "raw"), CORPUS)
def test_every_flipped_byte(extension: str, raw: bytes) -> None:
    """Exhaustive where it can be: each byte set to several values, in each valid file."""
    for at in range(len(raw)):
        for value in (0, 0xFF, raw[at] ^ 1, raw[at] ^ 0x80):
            usable(extension, raw[:at] + bytes([value]) + raw[at + 1 :])
