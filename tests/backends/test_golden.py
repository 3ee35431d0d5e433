"""The backend under test against the originals' golden vectors, and its native loader on converted weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.arch import PRESETS, build
from core.initialize import initial_state
from core.resize import resize_bilinear
from parity_tests.client import Backend
from parity_tests.golden.files import Golden
from parity_tests.golden.network import Network
from parity_tests.golden.run import Job, check, compute
from tests.golden_files import PRESET_OF, QUICK
from tests.shared_paths import require_shared
from weights_convert.__main__ import main
from weights_convert.convert import write_native
from weights_convert.matching import Fit
from weights_convert.sources import SOURCES, Recording

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in PRESET_OF if name not in QUICK]
EXTENSION = {"torch": "pth", "paddle": "pdparams", "mxnet": "params"}


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_outputs_are_the_originals(name: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = check([require_shared(f"golden/{name}.safetensors")], [backend], "auto")
    assert not result.missing_backends
    assert not result.without_preset
    assert result.compared >= 2
    assert result.failed == 0, capsys.readouterr().out


def test_outputs_said_in_words_are_what_they_say(backend: str, tmp_path: Path) -> None:
    """Heads and submodules, functions of them, and sizes, against numpy."""
    spec = build("fast_scnn_tiny", 5)
    words = (
        "main",
        "auxiliary.0@picture",
        "log_softmax(main)@1/4",
        "context.out",
        "head.classifier:in",
        "auxiliary.7",
        "no.such",
    )
    recording = Recording("none", eval=words)
    fit = Fit(SOURCES["segparity"], SOURCES["segparity"].layouts[0], "fast_scnn_tiny", {}, spec, {}, {})
    golden = Golden(
        path=tmp_path,
        source="none",
        model="none",
        call="",
        notes="",
        parameters=[],
        stats={},
        inputs={"eval": ((1, 3, 64, 96), 1)},
        stride=1,
        shapes={},
        outputs={"eval": [np.zeros(0)] * len(words)},
    )
    job = Job(golden, Network(fit, recording), tmp_path / "state.safetensors")
    save_file(initial_state(spec.parameters(), 1), job.state)
    with Backend(backend) as worker:
        main, auxiliary, scores, out, taken, none, nothing = compute(worker, job, fit, "eval", "float64")
    assert main is not None
    assert auxiliary is not None
    assert scores is not None
    assert out is not None
    assert main.shape == (1, 5, 8, 12)
    assert auxiliary.shape == (1, 5, 64, 96)
    assert taken is not None
    assert out.shape == (1, 32, 2, 3)
    assert taken.shape == (1, 32, 8, 12)
    assert (none, nothing) == (None, None)
    logarithm = main - np.log(np.exp(main).sum(axis=1, keepdims=True))
    expected = resize_bilinear(logarithm.astype(np.float32), (16, 24), spec.align_corners)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("preset", sorted(name for name in PRESETS if name.endswith("_tiny")))
def test_the_framework_loads_converted_weights_natively(
    preset: str, backend: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    spec = build(preset, 5)
    state = initial_state(spec.parameters(), 2)
    path = tmp_path / f"w.{EXTENSION[backend]}"
    write_native(path, spec, state, {})
    model = module("models").build_model(spec)
    load_natively(backend, model, path)
    for name, array in module("state").get_state(model).items():
        np.testing.assert_array_equal(array, state[name])


def load_natively(backend: str, model: object, path: Path) -> None:
    """Loads `path` with the framework's own strict loader."""
    if backend == "torch":
        import torch

        model.load_state_dict(torch.load(path, weights_only=True), strict=True)  # type: ignore[attr-defined]
    elif backend == "paddle":
        import paddle

        missing, unexpected = model.set_state_dict(paddle.load(str(path)))  # type: ignore[attr-defined]
        assert not missing
        assert not unexpected
    else:
        model.load_parameters(str(path))  # type: ignore[attr-defined]


@pytest.mark.parametrize("preset", ["espnet_tiny", pytest.param("setr_mla_tiny", marks=pytest.mark.slow)])
def test_verify_finds_source_and_result_equal(
    preset: str, backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = build(preset, 5)
    write_native(tmp_path / "w.pth", spec, initial_state(spec.parameters(), 2), {})
    assert main([str(tmp_path / "w.pth"), str(tmp_path / f"v.{EXTENSION[backend]}"), "--verify", "--arch", preset]) == 0
    text = capsys.readouterr().out
    assert f"{backend}: source and result differ by 0.0e+00" in text
    assert text.strip().endswith("verified")
