"""Formats without their frameworks: round trips between all of them, wrappings, older variants, memory maps."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import WeightsError
from core.tensors import human, widen_bfloat16
from tests import hostile_files
from weights_convert.formats import FORMATS, Tensors, detect, format_of, read, write

EXTENSIONS = (".safetensors", ".pth", ".pdparams", ".params", ".npz")
ROOT = Path(__file__).resolve().parents[1]


def state() -> dict[str, np.ndarray]:
    """A state with the types and layouts that all formats hold."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {"backbone.conv1.weight": rng.standard_normal((8, 3, 3, 3), dtype=np.float32)}
    for dtype in ("float64", "float16", "int64", "int32", "int8", "uint8"):
        arrays[f"typed.{dtype}"] = (rng.standard_normal((5, 3)) * 30).astype(dtype)
    arrays["flags"] = np.array([True, False, True])
    arrays["strided"] = rng.standard_normal((4, 6, 2), dtype=np.float32).transpose(2, 0, 1)[:, ::2]
    arrays["fortran"] = np.asfortranarray(rng.standard_normal((3, 4)))
    arrays["big.endian"] = np.arange(4, dtype=">f4")
    arrays["special"] = np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)
    arrays["größe"] = np.ones((1,), np.float32)
    return arrays


def assert_same(got: Tensors, expected: dict[str, np.ndarray]) -> None:
    assert list(got) == list(expected)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype.newbyteorder("<"), name
        assert got[name].shape == array.shape, name
        assert got[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes(), name


@pytest.mark.parametrize("first", EXTENSIONS)
@pytest.mark.parametrize("second", EXTENSIONS)
def test_round_trip_through_two_formats_is_bit_exact(tmp_path: Path, first: str, second: str) -> None:
    write(tmp_path / f"a{first}", state())
    write(tmp_path / f"b{second}", read(tmp_path / f"a{first}"))
    write(tmp_path / f"c{first}", read(tmp_path / f"b{second}"))
    assert_same(read(tmp_path / f"c{first}"), state())
    assert (tmp_path / f"a{first}").read_bytes() == (tmp_path / f"c{first}").read_bytes()
    assert detect(tmp_path / f"c{first}") == format_of(f"x{first}").name


@pytest.mark.parametrize("extension", [".safetensors", ".pth", ".pdparams", ".npz"])
def test_scalars_and_empty_arrays_keep_their_shapes(tmp_path: Path, extension: str) -> None:
    arrays = {"scalar": np.array(3, np.int64), "empty": np.zeros((0, 4), np.float32), "none": np.zeros((2, 0))}
    write(tmp_path / f"a{extension}", arrays)
    assert_same(read(tmp_path / f"a{extension}"), arrays)


def test_mxnet_refuses_scalars_and_unknown_types_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    with pytest.raises(WeightsError, match=re.escape("scalars and empty arrays") + r".*num_batches_tracked \(\)"):
        write(path, {"num_batches_tracked": np.array(3, np.int64)})
    with pytest.raises(WeightsError, match="'c' has the type complex64"):
        write(path, {"c": np.ones(2, np.complex64)})
    with pytest.raises(WeightsError, match="'u' has the type uint16"):
        write(path.with_suffix(".pdparams"), {"u": np.ones(2, np.uint16)})
    assert os.listdir(tmp_path) == []


def test_every_declared_type_round_trips(tmp_path: Path) -> None:
    for extension in EXTENSIONS:
        arrays = {dtype: np.arange(4).astype(dtype) for dtype in FORMATS[extension].dtypes}
        write(tmp_path / f"a{extension}", arrays)
        assert_same(read(tmp_path / f"a{extension}"), arrays)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_arrays_are_views_of_the_map(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a{extension}"
    write(path, {"flag": np.ones(3, np.uint8), "w": np.arange(1000, dtype=np.float64), "v": np.ones(5, np.float32)})
    tensors = read(path)
    for array in tensors.values():
        assert not array.flags.owndata
        assert not array.flags.writeable
    if extension in (".safetensors", ".pth"):
        assert all(array.flags.aligned for array in tensors.values())
    with pytest.raises(ValueError, match="read-only"):
        tensors["w"][0] = 1


def test_metadata(tmp_path: Path) -> None:
    arrays, metadata = {"w": np.ones(2, np.float32)}, {"arch": "pspnet", "classes": "ü" * 10}
    for extension in (".safetensors", ".pth"):
        assert write(tmp_path / f"a{extension}", arrays, metadata) == []
        tensors = read(tmp_path / f"a{extension}")
        assert tensors.metadata == metadata
        write(tmp_path / f"b{extension}", tensors)  # travels with the tensors
        assert read(tmp_path / f"b{extension}").metadata == metadata
        write(tmp_path / f"b{extension}", tensors, {})
        assert read(tmp_path / f"b{extension}").metadata == {}
    for extension in (".pdparams", ".params"):
        assert "holds no metadata" in write(tmp_path / f"a{extension}", arrays, metadata)[0]
        assert not FORMATS[extension].holds_metadata
    with pytest.raises(WeightsError, match="metadata is text"):
        write(tmp_path / "c.safetensors", arrays, {"a": 3})  # type: ignore[dict-item]


def test_strip_prefix() -> None:
    arrays = {"module.a": np.ones(1), "b": np.zeros(1)}
    tensors = Tensors(arrays, name_table={"module.a": "p"}, roles={"module.a": "arg"}, metadata={"k": "v"})
    stripped = tensors.strip_prefix("module.")
    assert list(stripped) == ["a", "b"]
    assert stripped.name_table == {"a": "p"}
    assert stripped.roles == {"a": "arg"}
    assert stripped.metadata == {"k": "v"}
    with pytest.raises(WeightsError, match="makes two tensors 'b'"):
        Tensors({"module.b": np.ones(1), "b": np.zeros(1)}).strip_prefix()


W, V = np.ones(2, np.float32), np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("root", "names", "wrapping"),
    [
        ({"a": W}, ["a"], ()),
        ({"state_dict": {"a": W}, "epoch": 3}, ["a"], ("state_dict",)),
        ({"epoch": 3, "checkpoint": {"model": {"a": W}}}, ["a"], ("checkpoint", "model")),
        ({"net": {"a": W}, "optimizer": {"state": {0: {"m": V}}}}, ["a"], ("net",)),
        ({"my_net": {"a": W}, "optimizer": {"state": {0: {"m": V}}}}, ["a"], ("my_net",)),
        ({"my_net": {"a": W}, "ema_net": {"a": V}}, ["a"], ("my_net",)),
        ({"metaformer": {"a": W}, "optical": {"a": V}}, ["metaformer.a", "optical.a"], ()),
        ({"encoder": {"a": W}, "decoder": {"a": V}}, ["encoder.a", "decoder.a"], ()),
        ({"optimizer": {"state": {0: {"m": V}}}}, ["m"], ("optimizer", "state", "0")),
        ({"a": W, "scheduler": {"last": 3}, "nested": {"b": V}}, ["a", "nested.b"], ()),
        ({"a": ("conv2d_0.w_0", W)}, ["a"], ()),
        ([W, V], ["0", "1"], ()),
        (OrderedDict([("b", W), ("a", V)]), ["b", "a"], ()),
    ],
)
def test_wrappings(tmp_path: Path, root: Any, names: list[str], wrapping: tuple[str, ...]) -> None:
    path = tmp_path / "a.pdparams"
    for protocol in (2, 3, 4, 5):
        path.write_bytes(pickle.dumps(root, protocol))
        got = read(path)
        assert list(got) == names
        assert got.wrapping == wrapping
        assert got[names[0]].tobytes() in (W.tobytes(), V.tobytes())
        if wrapping and len(root) > 1:
            assert any("left out" in note for note in got.notes)


def test_bfloat16_is_widened_exactly() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    wide = widen_bfloat16(bits)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide.view(np.uint32) >> 16, bits)
    np.testing.assert_array_equal(wide.view(np.uint32) & 0xFFFF, 0)
    assert widen_bfloat16(np.array(0x3FC0, np.uint16)) == np.float32(1.5)


def test_python_2_pickles_are_read(tmp_path: Path) -> None:
    """Python 2 wrote names and array data as byte strings."""

    def string(raw: bytes) -> bytes:
        return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw

    def array(values: np.ndarray) -> bytes:
        minus_one = b"J\xff\xff\xff\xff"
        dtype = b"cnumpy\ndtype\n" + string(b"f4") + b"K\x00K\x01\x87R"
        dtype += b"(K\x03" + string(b"<") + b"NNN" + minus_one + minus_one + b"K\x00tb"
        head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R(K\x01"
        return (
            head + b"J" + struct.pack("<i", values.size) + b"\x85" + dtype + b"\x89" + string(values.tobytes()) + b"tb"
        )

    small, large = np.arange(-5, 5, dtype=np.float32), np.linspace(-3, 3, 5000, dtype=np.float32)
    body = b"}(" + string(b"small") + array(small) + string(b"large") + array(large) + b"u"
    (tmp_path / "a.pdparams").write_bytes(b"\x80\x02" + body + b".")
    assert_same(read(tmp_path / "a.pdparams"), {"small": small, "large": large})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_pickles_of_every_layout_are_read(tmp_path: Path, protocol: int) -> None:
    arrays = state() | {"scalar": np.array(3.5), "empty": np.zeros((0, 3)), "large": np.arange(9000.0)}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(arrays | {"best": np.float64(0.5), "seen": {1, 2}}, protocol))
    got = read(tmp_path / "a.pdparams")
    assert_same(got, arrays)
    assert any("best" in note for note in got.notes)


def test_older_mxnet_headers_are_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for magic in (0xF993FAC9, 0xF993FACA, 0xF993FAC8, 0):
        array = hostile_files.ndarray((2, 3), values.tobytes(), magic=magic)
        (tmp_path / "a.params").write_bytes(hostile_files.ndlist([array], [b"w"]))
        assert_same(read(tmp_path / "a.params"), {"w": values})
    bits = np.array([0x3F80, 0xC000], "<u2")
    array = hostile_files.ndarray((2,), bits.tobytes(), flag=12)
    (tmp_path / "a.params").write_bytes(hostile_files.ndlist([array], [b"w"]))
    got = read(tmp_path / "a.params")
    assert got["w"].tolist() == [1.0, -2.0]
    assert "bfloat16" in got.notes[0]


def test_symbol_roles_travel_back(tmp_path: Path) -> None:
    arrays = [hostile_files.ndarray(), hostile_files.ndarray()]
    raw = hostile_files.ndlist(arrays, [b"arg:conv0_weight", b"aux:bn0_moving_mean"])
    (tmp_path / "a.params").write_bytes(raw)
    got = read(tmp_path / "a.params")
    assert got.roles == {"conv0_weight": "arg", "bn0_moving_mean": "aux"}
    write(tmp_path / "b.params", got)
    assert (tmp_path / "b.params").read_bytes() == raw


def rezipped(raw: bytes, change: Callable[[str, bytes], bytes | None], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file with changed or dropped members."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    return hostile_files.archive_of({name: data for name, data in members.items() if data is not None}, method)


def test_repacked_and_older_zip_files_are_read(tmp_path: Path) -> None:
    path, raw = tmp_path / "a.pth", hostile_files.state(".pth")
    path.write_bytes(raw)
    expected = {name: np.array(array) for name, array in read(path).items()}
    path.write_bytes(rezipped(raw, lambda _, data: data, zipfile.ZIP_DEFLATED))
    assert_same(read(path), expected)
    path.write_bytes(rezipped(raw, lambda name, data: None if "byteorder" in name or "version" in name else data))
    assert_same(read(path), expected)
    swapped = {"data/0": "f4", "data/1": "f2", "data/2": "i8"}

    def big_endian(name: str, data: bytes) -> bytes:
        code = swapped.get(name.removeprefix("archive/"))
        if name.endswith("byteorder"):
            return b"big"
        return np.frombuffer(data, f"<{code}").astype(f">{code}").tobytes() if code else data

    path.write_bytes(rezipped(raw, big_endian))
    assert_same(read(path), expected)


def test_files_saved_without_checksums_are_read_with_a_note(tmp_path: Path) -> None:
    raw = bytearray(hostile_files.state(".pth"))
    at = raw.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", raw, at + 16, 0xDEADBEEF)
        at = raw.find(b"PK\x01\x02", at + 1)
    (tmp_path / "a.pth").write_bytes(raw)
    got = read(tmp_path / "a.pth")
    assert got["n"].tolist() == [5]
    assert "checksum" in got.notes[0]


def test_large_files_use_zip64(tmp_path: Path) -> None:
    """A directory in which every number is given in zip64 form."""
    raw = hostile_files.state(".pth")
    start, end = raw.find(b"PK\x01\x02"), raw.rfind(b"PK\x05\x06")
    directory, count, at = b"", 0, start
    while at < end:
        fields = list(struct.unpack_from("<4sHHHHHHIIIHHHHHII", raw, at))
        name = raw[at + 46 : at + 46 + fields[10]]
        extra = struct.pack("<HHQQQ", 1, 24, fields[9], fields[8], fields[16])
        at += 46 + fields[10] + fields[11] + fields[12]
        fields[8] = fields[9] = fields[16] = 0xFFFFFFFF
        fields[11] = len(extra)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", *fields) + name + extra
        count += 1
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(directory), 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "a.pth").write_bytes(raw[:start] + directory + record + locator + tail)
    (tmp_path / "b.pth").write_bytes(raw)
    assert_same(read(tmp_path / "a.pth"), dict(read(tmp_path / "b.pth")))


def test_conversion_needs_no_framework_and_little_memory(tmp_path: Path) -> None:
    """In a process of its own: no framework is imported, and the peak stays below twice the size of the file."""
    arrays = {f"w{i}": np.full((1 << 20,), i, np.float32) for i in range(24)}  # 96 MiB
    write(tmp_path / "a.pth", arrays)
    snippet = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from weights_convert.formats import read, write
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for source, target in (('a.pth', 'b.pdparams'), ('b.pdparams', 'c.params'), ('c.params', 'd.safetensors')):
    write(target, read(source))
assert not {{'torch', 'paddle', 'mxnet', 'safetensors'}} & set(sys.modules)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 2 * (96 << 20)
    assert_same(read(tmp_path / "d.safetensors"), arrays)


def test_sizes_for_people() -> None:
    assert [human(n) for n in (5, 1500, 2_000_000, 3 * 10**12, 10**30)] == [
        "5 bytes",
        "1.5 kB",
        "2.0 MB",
        "3.0 TB",
        "more than an exabyte",
    ]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives_are_read_and_numpy_loads_what_is_written(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "a.npz", **state())
    assert_same(read(tmp_path / "a.npz"), state())
    write(tmp_path / "b.npz", state())
    with np.load(tmp_path / "b.npz", allow_pickle=False) as archive:
        assert archive.files == list(state())
        for name, array in state().items():
            np.testing.assert_array_equal(archive[name], array)


def npy_header(code: Any, shape: Any) -> bytes:
    return repr({"descr": code, "fortran_order": False, "shape": shape}).encode()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (npy_header("|O", (1,)), "only numbers and booleans"),
        (npy_header([("x", "<f4")], (4,)), "only numbers and booleans"),
        (npy_header("<U4", (1,)), "only numbers and booleans"),
        (npy_header("<f4", (5,)), "needs 20 bytes and has 16"),
        (npy_header("<f4", (-4,)), "extents"),
        (npy_header("<f4", (2**40, 2**40)), "far more|no machine"),
        (npy_header("<f4", [4]), "not numpy's"),
        (b"__import__('os').system('touch hostile-code-ran')", "no dictionary"),
        (b"(" * 9000, "no dictionary"),
        (b"{[]: 1}", "no dictionary"),
    ],
)
def test_hostile_numpy_archives_are_refused(
    tmp_path: Path, header: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npz").write_bytes(hostile_files.npz(header, bytes(16)))
    with pytest.raises(WeightsError, match=message):
        read(tmp_path / "a.npz")
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_numpy_archive_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    raw = hostile_files.npz(npy_header("<f4", (1 << 22,)), bytes(1 << 24), zipfile.ZIP_DEFLATED)
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(WeightsError, match="too much for a file"):
        read(tmp_path / "a.npz")
