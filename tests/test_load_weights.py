"""`load_weights`: any file for a given network, and fine-tuning on other classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core.arch import PRESETS, Spec, build
from core.checkpoint import Checkpoint, save_checkpoint
from core.errors import WeightsError
from core.initialize import initial_state
from tests.shared_paths import require_shared
from weights_convert import load_weights
from weights_convert.convert import write_native
from weights_convert.formats import write

EXTENSIONS = ("safetensors", "pth", "pdparams", "params")
TINY = sorted(name for name in PRESETS if name.endswith("_tiny"))


def saved(path: Path, spec: Spec, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of `spec` written natively to `path`; returns the canonical state."""
    state = initial_state(spec.parameters(), seed)
    write_native(path, spec, state, {})
    return state


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("preset", TINY)
def test_every_format_gives_the_canonical_state(preset: str, extension: str, tmp_path: Path) -> None:
    spec = build(preset, 5)
    state = saved(tmp_path / f"w.{extension}", spec)
    loaded = load_weights(tmp_path / f"w.{extension}", spec)
    assert list(loaded.state) == [p.name for p in spec.parameters()]
    for name, array in state.items():
        assert loaded.state[name].dtype == np.float32
        assert loaded.state[name].flags.c_contiguous
        np.testing.assert_array_equal(loaded.state[name], array)
    assert not loaded.left_out
    assert not loaded.absent


@pytest.mark.parametrize("preset", TINY)
def test_other_class_counts_are_an_error_unless_fine_tuning(preset: str, tmp_path: Path) -> None:
    state = saved(tmp_path / "w.safetensors", build(preset, 7))
    spec = build(preset, 5)
    with pytest.raises(WeightsError, match=r"(?s)of another shape.*is \(7,.*expected \(5,"):
        load_weights(tmp_path / "w.safetensors", spec)
    loaded = load_weights(tmp_path / "w.safetensors", spec, fine_tune=True)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert set(loaded.left_out) == {name for name in shapes if shapes[name] != state[name].shape}
    assert any("classifier" in name for name in loaded.left_out)
    assert set(loaded.state) | set(loaded.left_out) == set(shapes)
    for name, array in loaded.state.items():
        np.testing.assert_array_equal(array, state[name])
    assert "classifier" in loaded.summary()


def test_fine_tuning_forgives_classes_only(tmp_path: Path) -> None:
    saved(tmp_path / "w.safetensors", build("pspnet_tiny", 7, {"head": {"width": 20}}))
    with pytest.raises(WeightsError, match=r"head\.block\.conv\.weight is \(20,"):
        load_weights(tmp_path / "w.safetensors", build("pspnet_tiny", 5), fine_tune=True)


def test_auxiliary_heads_are_dropped_where_the_network_has_none(tmp_path: Path) -> None:
    spec = build("pspnet_tiny", 5)
    saved(tmp_path / "w.pdparams", spec)
    loaded = load_weights(tmp_path / "w.pdparams", spec.for_inference())
    assert set(loaded.state) == {p.name for p in spec.for_inference().parameters()}
    assert loaded.dropped
    assert all(name.startswith("auxiliary.") for name in loaded.dropped)
    assert "auxiliary head" in loaded.summary()


def test_auxiliary_heads_may_be_absent_when_fine_tuning_only(tmp_path: Path) -> None:
    spec = build("pspnet_tiny", 5)
    saved(tmp_path / "w.safetensors", spec.for_inference())
    with pytest.raises(WeightsError, match="missing"):
        load_weights(tmp_path / "w.safetensors", spec)
    loaded = load_weights(tmp_path / "w.safetensors", spec, fine_tune=True)
    assert loaded.absent
    assert all(name.startswith("auxiliary.") for name in loaded.absent)
    assert set(loaded.state) | set(loaded.absent) == {p.name for p in spec.parameters()}


def test_a_missing_or_misshapen_tensor_is_named(tmp_path: Path) -> None:
    spec = build("espnet_tiny", 5)
    state = initial_state(spec.parameters(), 0)
    write(tmp_path / "a.safetensors", {n: a for n, a in state.items() if n != "decoder.up2.weight"})
    with pytest.raises(WeightsError, match=r"(?s)1 missing:\s+decoder\.up2\.weight"):
        load_weights(tmp_path / "a.safetensors", spec)
    write(tmp_path / "b.safetensors", state | {"surplus": np.zeros(3, np.float32)})
    with pytest.raises(WeightsError, match=r"(?s)1 unexpected:\s+surplus \(3,\)"):
        load_weights(tmp_path / "b.safetensors", spec)


def test_a_checkpoint_of_a_run_is_read_without_its_optimizer(tmp_path: Path) -> None:
    spec = build("fast_scnn_tiny", 5)
    state = initial_state(spec.parameters(), 1)
    momentum = {f"momentum.{name}": np.zeros_like(array) for name, array in state.items()}
    save_checkpoint(tmp_path / "last.safetensors", Checkpoint(state, momentum, 3, {"preset": "fast_scnn_tiny"}))
    loaded = load_weights(tmp_path / "last.safetensors", spec)
    assert len(loaded.dropped) == len(momentum)
    np.testing.assert_array_equal(loaded.state["detail.0.conv.weight"], state["detail.0.conv.weight"])


def test_half_precision_is_widened(tmp_path: Path) -> None:
    spec = build("espnet_tiny", 5)
    state = {name: array.astype(np.float16) for name, array in initial_state(spec.parameters(), 0).items()}
    write(tmp_path / "half.pth", state)
    loaded = load_weights(tmp_path / "half.pth", spec)
    for name, array in state.items():
        assert loaded.state[name].dtype == np.float32
        np.testing.assert_array_equal(loaded.state[name], array.astype(np.float32))


def test_published_weights_of_another_repository_go_into_the_network() -> None:
    path = require_shared("checkpoints/espnet/espnet_p_2_q_8_camvid.pth")
    loaded = load_weights(path, build("espnet_p2_q8", 12))
    assert loaded.origin.startswith("espnet")
    assert len(loaded.state) == 189
    tuned = load_weights(path, build("espnet_p2_q8", 19), fine_tune=True)
    assert "encoder.classifier.weight" in tuned.left_out
    assert "encoder.level1.conv.weight" in tuned.state
    with pytest.raises(WeightsError, match="merge1"):
        load_weights(path, build("espnet_p2_q8_skip16", 12))


def test_a_network_that_differs_invisibly_from_the_origins_presets_is_remarked_on() -> None:
    path = require_shared("checkpoints/espnet/espnet_p_2_q_8_camvid.pth")
    spec = build("espnet_p2_q8", 12, {"norm": {"eps": 1e-5}})
    assert any("norm.eps" in note for note in load_weights(path, spec).notes)
    assert not load_weights(path, dataclasses.replace(spec, norm=PRESETS["espnet_p2_q8"].spec.norm)).notes  # type: ignore[attr-defined]


def test_an_origin_without_the_architecture_is_an_error(tmp_path: Path) -> None:
    spec = build("espnet_tiny", 5)
    saved(tmp_path / "w.pth", spec)
    with pytest.raises(WeightsError, match="origin mmseg has no espnet"):
        load_weights(tmp_path / "w.pth", spec, origin="mmseg")


def test_the_published_espnet_of_paddle() -> None:
    """Trained by the reproduction from which PaddleSeg's ESPNetV1 came: its form alone fits, nothing is left over."""
    path = require_shared("checkpoints/espnetv1_paddleseg/espnetv1_cityscapes_120k.pdparams")
    spec = build("espnet_simuler")
    loaded = load_weights(path, spec)
    assert loaded.origin.startswith("paddleseg")
    assert set(loaded.state) == {parameter.name for parameter in spec.parameters()}
    with pytest.raises(WeightsError):
        load_weights(path, build("espnet_paddleseg"))
