"""Weights in archives and folders, a cloud job's artefact, and the proof that every conversion writes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from tests import hostile_files
from weights_convert.__main__ import main
from weights_convert.convert import checksum, write_native
from weights_convert.formats import read, write
from weights_convert.load import import_weights

W = np.arange(6, dtype=np.float32).reshape(2, 3)
PLAIN = hostile_files.state(".params", {"w": W})


def packed(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("name", ["model.pdparams", "a/b/model.safetensors", "x" * 150 + "/model.params"])
@pytest.mark.parametrize("gz", [True, False])
def test_the_one_weight_file_of_an_archive(tmp_path: Path, name: str, gz: bool) -> None:
    raw = hostile_files.state(Path(name).suffix, {"w": W})
    path = packed(tmp_path / "m.tar", hostile_files.tar({name: raw, "._junk.params": b"x"}, gz=gz))
    got = read(path)
    assert np.array_equal(got["w"], W)
    assert any("read from" in note for note in got.notes)
    assert main([str(path), str(tmp_path / "out.pth"), "--as-is"]) == 0
    assert np.array_equal(read(tmp_path / "out.pth")["w"], W)


def test_a_hub_style_folder(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", {"w": W})
    (tmp_path / "pytorch_model.bin").write_bytes(hostile_files.state(".pth"))
    (tmp_path / "config.json").write_text("{}")
    assert np.array_equal(read(tmp_path)["w"], W)
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert set(read(tmp_path)) == {"w", "h", "n"}
    write(tmp_path / "second.safetensors", {"w": W})
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match=r"several weight files: other\.safetensors, second\.safetensors"):
        read(tmp_path)


GOOD = hostile_files.tar({"model.params": PLAIN})
HOSTILE = {
    "leads out": (hostile_files.tar({"../model.params": PLAIN}), "leads out of the archive"),
    "absolute": (hostile_files.tar({"/etc/passwd": PLAIN}), "leads out of the archive"),
    "windows": (hostile_files.tar({"c:\\model.params": PLAIN}), "leads out of the archive"),
    "symbolic link": (hostile_files.tar({"model.params": b""}, kind=tarfile.SYMTYPE, link="/etc/passwd"), "is a link"),
    "hard link": (hostile_files.tar({"model.params": b""}, kind=tarfile.LNKTYPE, link="../x"), "is a link"),
    "device": (hostile_files.tar({"model.params": b""}, kind=tarfile.CHRTYPE), "is a device"),
    "named pipe": (hostile_files.tar({"model.params": b""}, kind=tarfile.FIFOTYPE), "is a named pipe"),
    "two of one name": (GOOD[: 512 + -(-len(PLAIN) // 512) * 512] + GOOD, "two members are named"),
    "cut": (GOOD[:600], "cut"),
    "cut gzip": (gzip.compress(GOOD)[:-20], "gzip stream is cut"),
    "damaged gzip": (gzip.compress(GOOD)[:-6] + bytes(6), "gzip stream is damaged"),
    "junk behind gzip": (gzip.compress(GOOD) + b"junk", "belong to none"),
    "bomb": (gzip.compress(bytes(100 << 20), 1), "unpacks to more than"),
    "gzip in tar in gzip": (hostile_files.tar({"m.tar": gzip.compress(GOOD)}, gz=True), "archive inside an archive"),
    "header": (GOOD[:124] + b"9" * 12 + GOOD[136:], "checksum"),
    "empty": (hostile_files.tar({}), "neither the content"),
    "nothing known": (hostile_files.tar({"readme.txt": b"x"}), "holds no weight file"),
    "hyperparameters alone": (hostile_files.tar({"hyperparams.json": b"{}"}), "neither model_algo-1 nor"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, case: str) -> None:
    raw, message = HOSTILE[case]
    with pytest.raises(WeightsError, match=message):
        read(packed(tmp_path / "m.tar.gz", raw))
    assert [path.name for path in tmp_path.iterdir()] == ["m.tar.gz"]


def test_several_gzip_members_are_one_stream(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.tgz", gzip.compress(GOOD[:700]) + gzip.compress(GOOD[700:]))
    assert np.array_equal(read(path)["w"], W)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (b"{", "no valid JSON"),
        (b"[]", "no mapping"),
        (b'{"algorithm": "unet"}', "algorithm is 'unet'; the service's jobs have fcn, psp, deeplab"),
        (b'{"backbone": "vgg"}', "backbone is 'vgg'"),
        (b'{"num_classes": "many"}', "num_classes is 'many'"),
        (b'{"num_classes": true}', "num_classes is True"),
    ],
)
def test_hyperparameters_that_no_job_has(tmp_path: Path, told: bytes, message: str) -> None:
    path = packed(tmp_path / "m.tar.gz", hostile_files.tar({"hyperparams.json": told, "model_algo-1": PLAIN}, gz=True))
    with pytest.raises(WeightsError, match=message):
        read(path)


def test_an_artefact_whose_tensors_are_another_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.dumps({"algorithm": "psp", "backbone": "resnet-50", "num_classes": "5"}).encode()
    path = packed(tmp_path / "m.tar.gz", hostile_files.tar({"hyperparams.json": told, "model_algo-1": PLAIN}, gz=True))
    assert main([str(path), str(tmp_path / "rescued/")]) == 2
    assert "algorithm psp, backbone resnet-50" in capsys.readouterr().err
    assert not (tmp_path / "rescued").exists()


class Wellformed(HTMLParser):
    """Every tag is closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_proof_of_a_known_network(tmp_path: Path) -> None:
    spec = build("setr_naive_tiny", 4)
    state = initial_state(spec.parameters(), 0)
    write_native(tmp_path / "w.pth", spec, state, {})
    assert (
        main([str(tmp_path / "w.pth"), str(tmp_path / "out"), "--format", "pdparams", "--arch", "setr_naive_tiny"]) == 0
    )
    folder = tmp_path / "out"
    assert checksum(import_weights(folder / "model.pdparams").state) == checksum(state)
    proof = json.loads((folder / "proof.json").read_text())
    assert proof["source"]["sha256"] == hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    assert proof["result"]["sha256"] == hashlib.sha256((folder / "model.pdparams").read_bytes()).hexdigest()
    assert proof["network"]["preset"] == "setr_naive_tiny"
    assert "--arch setr_naive_tiny" in proof["network"]["recognised_by"]
    done = {pair["canonical"]: pair["done"] for pair in proof["name_map"]}
    assert set(done) == set(state)
    assert done["backbone.blocks.0.attn.qkv.weight"] == "transposed"
    assert proof["licence"]["licence"] == "not stated"
    assert proof["verification"] is None
    assert any("without --verify" in said for said in proof["not_measured"])
    page = (folder / "proof.html").read_text()
    parser = Wellformed()
    parser.feed(page)
    assert not parser.open
    assert proof["result"]["sha256"] in page


def test_names_of_a_file_are_escaped_in_the_page(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors", {"<script>alert(1)</script>": W}, {"license": "MIT & <b>more</b>"})
    assert main([str(tmp_path / "w.safetensors"), str(tmp_path / "out.npz"), "--as-is"]) == 0
    page = (tmp_path / "out.npz.proof.html").read_text()
    assert "<script>" not in page
    assert "MIT &amp; &lt;b&gt;" in page
    assert json.loads((tmp_path / "out.npz.proof.json").read_text())["licence"]["licence"].startswith("MIT")


def test_layouts_by_rule(tmp_path: Path) -> None:
    """A network nobody here knows, from torch to Paddle and back: names of batch norms, axes of the classifier."""
    v = np.arange(3, dtype=np.float32)
    state = {"bn.weight": v, "bn.bias": v, "bn.running_mean": v, "bn.running_var": v, "fc.weight": W, "fc.bias": v[:2]}
    state |= {"embed.weight": np.ones((4, 2), np.float32), "norm.weight": v, "norm.bias": v}
    write(tmp_path / "w.pth", state)
    assert main([str(tmp_path / "w.pth"), str(tmp_path / "p.pdparams"), "--as-is", "--layout", "paddle"]) == 0
    paddle = read(tmp_path / "p.pdparams")
    assert {"bn._mean", "bn._variance", "bn.weight", "norm.weight"} <= set(paddle)
    assert np.array_equal(paddle["fc.weight"], W.T)
    assert paddle["embed.weight"].shape == (4, 2)
    assert main([str(tmp_path / "p.pdparams"), str(tmp_path / "m.params"), "--as-is", "--layout", "mxnet"]) == 0
    assert "bn.gamma" in read(tmp_path / "m.params")
    assert main([str(tmp_path / "p.pdparams"), str(tmp_path / "t.pth"), "--as-is", "--layout", "torch"]) == 0
    back = read(tmp_path / "t.pth")
    assert set(back) == set(state)
    assert all(np.array_equal(back[name], array) for name, array in state.items())
    assert main([str(tmp_path / "w.pth"), str(tmp_path / "x.pth"), "--as-is", "--layout", "tensorflow"]) == 2


def test_pax_names_and_sizes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("ü" * 120 + "/model.params")
        info.size = len(PLAIN)
        archive.addfile(info, io.BytesIO(PLAIN))
    assert np.array_equal(read(packed(tmp_path / "m.tar", buffer.getvalue()))["w"], W)
