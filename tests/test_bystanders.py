"""Good weights beside objects that are not weights: the weights are read, the objects never built, and said so."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import WeightsError
from tests import hostile_files
from weights_convert.formats import read
from weights_convert.load import open_tensors

W, V = np.ones(2, np.float32), np.zeros(3, np.float32)


class Recorder:
    """Stands for mmengine's HistoryBuffer: a record with numpy arrays, and methods of its class."""

    ran: list[str] = []  # noqa: RUF012  what unpickling would have run

    def __init__(self) -> None:
        self.history = np.arange(5.0)
        self.statistics = {"mean": Recorder.mean}

    def __setstate__(self, state: Any) -> None:
        Recorder.ran.append("__setstate__")
        self.__dict__.update(state)

    def mean(self) -> float:
        return float(self.history.mean())


class Options(dict):  # type: ignore[type-arg]
    """A dictionary of a class of its own, as yacs' CfgNode."""


class Levels(list):  # type: ignore[type-arg]
    """A list of a class of its own."""


def third_party(protocol: int, root: Any) -> bytes:
    """The root pickled with this module's classes named as those of a package that is not installed here."""
    module = types.ModuleType("mmengine_like")
    sys.modules[module.__name__] = module
    try:
        for kind in (Recorder, Options, Levels):
            kind.__module__ = module.__name__
            setattr(module, kind.__name__, kind)
        return pickle.dumps(root, protocol)
    finally:
        del sys.modules[module.__name__]
        for kind in (Recorder, Options, Levels):
            kind.__module__ = __name__


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("container", ["pdparams", "zip", "legacy"])
def test_weights_beside_inert_objects_are_read(tmp_path: Path, protocol: int, container: str) -> None:
    raw = third_party(
        protocol,
        {
            "state_dict": {"a": W, "b": V},
            "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(x=1)),
            "when": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
            "where": pathlib.PurePosixPath("runs") / "a",
            "message_hub": {"log_scalars": {"loss": Recorder()}},
            "config": Options(width=3),
            "levels": Levels([1, 2]),
        },
    )
    path = tmp_path / ("a.pdparams" if container == "pdparams" else "a.pth")
    path.write_bytes(
        {
            "pdparams": lambda: raw,
            "zip": lambda: hostile_files.torch_zip(raw),
            "legacy": lambda: hostile_files.legacy(raw, [], []),
        }[container]()
    )
    Recorder.ran.clear()
    got = read(path)
    assert Recorder.ran == []
    assert list(got) == ["a", "b"]
    np.testing.assert_array_equal(got["b"], V)
    (note,) = (note for note in got.notes if note.startswith("not built"))
    for name in ("argparse.Namespace", "datetime.datetime", "PurePosixPath", "mmengine_like.Recorder"):
        assert name in note
    assert "getattr" not in note
    assert any("left out beside it" in note and "'args'" in note for note in got.notes)


def test_a_checkpoint_as_mmengines_runner_wraps_it(tmp_path: Path) -> None:
    """As its `save_checkpoint` does: meta, message_hub with a HistoryBuffer a scalar, optimizer, a moving average."""
    hub = {
        "log_scalars": OrderedDict((name, Recorder()) for name in ("train/loss", "train/lr", "val/mIoU")),
        "runtime_info": OrderedDict(iter=30, dataset_meta={"classes": ("road", "car")}, numbers=np.arange(3)),
        "resumed_keys": OrderedDict({"train/loss": True}),
    }
    momenta = {"state": {0: {"momentum_buffer": V}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    checkpoint = {
        "meta": {"cfg": "model = dict()", "seed": 7, "mmengine_version": "0.10.7", "hook_msgs": {"last_ckpt": "a.pth"}},
        "state_dict": OrderedDict({"decode_head.w": W, "backbone.v": V}),
        "message_hub": hub,
        "optimizer": momenta,
        "param_schedulers": [{"begin": 0, "_global_step": 3}],
        "ema_state_dict": OrderedDict({"steps": np.array(3), "module.decode_head.w": 2 * W, "module.backbone.v": V}),
    }
    path = tmp_path / "iter_30.pdparams"
    path.write_bytes(third_party(2, checkpoint))
    Recorder.ran.clear()
    found, averaged = open_tensors(path), open_tensors(path, ema=True)
    assert Recorder.ran == []
    for tensors, factor in ((found, 1), (averaged, 2)):
        assert list(tensors) == ["decode_head.w", "backbone.v"]
        np.testing.assert_array_equal(tensors["decode_head.w"], factor * W)
    assert any("'message_hub'" in note and "'ema_state_dict'" in note for note in found.notes)
    assert any("'mmengine_like.Recorder'" in note for note in found.notes)
    assert any("counters of an averaged model: steps" in note for note in averaged.notes)


def test_objects_among_the_tensors_are_listed_with_their_class(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"a": W, "args": argparse.Namespace(lr=1)}, 4))
    got = read(path)
    assert list(got) == ["a"]
    assert any("args (an object of 'argparse.Namespace')" in note for note in got.notes)


def test_weights_inside_an_object_are_refused(tmp_path: Path) -> None:
    """The object's own code would have to run to tell what its tensors are."""
    path = tmp_path / "a.pdparams"
    for root in (Recorder(), {"model": Recorder(), "optimizer": {"m": V}}):
        path.write_bytes(third_party(4, root))
        with pytest.raises(WeightsError, match=r"an object of 'mmengine_like.Recorder'.*state_dict\(\) alone"):
            read(path)


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "torch.load", "dill._dill._eval"])
def test_what_runs_code_is_refused_beside_good_weights_too(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    body = b"\x80\x02}(" + hostile_files.text("args") + f"c{module}\n{function}\n".encode()
    body += b"(" + hostile_files.text(hostile_files.COMMAND) + b"tR" + hostile_files.text("state_dict")
    path = tmp_path / "a.pdparams"
    path.write_bytes(body + pickle.dumps({"a": W}, 2)[2:-1] + b"u.")
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        read(path)
    path.write_bytes(path.read_bytes().replace(f"c{module}\n{function}\n".encode(), b"cargparse\nNamespace\n"))
    assert list(read(path)) == ["a"]


def test_getattr_takes_methods_of_bystanders_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    for owner in (b"ccollections\nOrderedDict\n", b"cnumpy\nndarray\n", hostile_files.text("os"), b"}"):
        body = b"\x80\x02cbuiltins\ngetattr\n" + owner + hostile_files.text("system") + b"\x86R."
        path.write_bytes(body)
        with pytest.raises(WeightsError, match=r"builtins\.getattr"):
            read(path)


def test_the_moving_average_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    for key in ("state_dict_ema", "model_ema", "ema", "ema_state_dict", "averaged_model"):
        path.write_bytes(pickle.dumps({"state_dict": {"a": W}, key: {"a": V}}, 4))
        np.testing.assert_array_equal(read(path)["a"], W)
        assert any(f"left out beside it: {key!r}" in note for note in read(path).notes)
        average = read(path, ema=True)
        np.testing.assert_array_equal(average["a"], V)
        assert average.wrapping == (key,)
    path.write_bytes(pickle.dumps({"ema": {"module": {"a": V}, "decay": 0.9}, "model": {"a": W}}, 4))
    np.testing.assert_array_equal(read(path, ema=True)["a"], V)
    path.write_bytes(pickle.dumps({"model": {"a": W}}, 4))
    with pytest.raises(WeightsError, match="no entry beside the weights"):
        read(path, ema=True)
    (tmp_path / "a.params").write_bytes(hostile_files.state(".params"))
    with pytest.raises(WeightsError, match="no moving average stands beside the weights"):
        read(tmp_path / "a.params", ema=True)
