"""The `eval` job with a predictor made of numpy: names, places and sizes."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.jobs import benchmark
from backends.jobs import eval as eval_job
from backends.jobs.cli import run
from core.arch import PRESETS
from core.backend import Backend
from core.checkpoint import Checkpoint, save_checkpoint
from core.config import dump_config, load_config
from core.errors import DataError
from core.evaluation.scoring import output_names
from core.initialize import initial_state
from core.measurements import Measurements
from tests.test_training import Constant, HostOnly


def camvid(root: Path, names: list[str], size: tuple[int, int] = (45, 60)) -> Path:
    """A data set in CamVid's layout, whose splits all hold the pictures `names`."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for folder, shape, top in ((split, (*size, 3), 256), (f"{split}annot", size, 11)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for name in names:
                cv2.imwrite(str(root / folder / f"{name}.png"), rng.integers(0, top, shape, dtype=np.uint8))
    return root


def evaluate(tmp_path: Path, root: Path, *arguments: object, preset: str = "fast_scnn_tiny") -> int:
    settings = [f"model.preset={preset}", "data.dataset=camvid", f"data.root={root}"]
    config = load_config(None, settings)
    state = initial_state(config.spec(11).for_inference().parameters(), 0)
    metadata = {"config": dump_config(config), "preset": preset}
    save_checkpoint(tmp_path / "w.safetensors", Checkpoint(state, {}, 0, metadata))
    options = eval_job.parser("numpy").parse_args(["--weights", str(tmp_path / "w.safetensors"), *map(str, arguments)])
    backend = Backend("numpy", None, lambda spec, state, device: Constant(), HostOnly())  # type: ignore[arg-type]
    return run(lambda: eval_job.job(options, backend))


def test_names_with_dots_stay_apart(tmp_path: Path) -> None:
    names = [f"cam1.{number:04d}" for number in range(6)]
    root = camvid(tmp_path / "data", names)
    assert evaluate(tmp_path, root, "--save", tmp_path / "out", "--json", tmp_path / "deep" / "scores.json") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.png" for name in names]
    assert json.loads((tmp_path / "deep" / "scores.json").read_text())["pictures"] == 6


def test_boundary_iou_is_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = camvid(tmp_path / "data", ["a", "b"])
    assert evaluate(tmp_path, root, "--boundary-iou", "--json", tmp_path / "a.json") == 0
    assert "boundary IoU" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "a.json").read_text())["metrics"]
    assert metrics["boundary_iou"].keys() == metrics["iou"].keys()
    assert 0 < metrics["mean_boundary_iou"] < 1
    by_protocol = ["--boundary-iou", "--protocol", "configured", "--json", tmp_path / "b.json"]
    assert evaluate(tmp_path, root, *by_protocol) == 0
    assert json.loads((tmp_path / "b.json").read_text())["configured"]["metrics"] == metrics
    assert evaluate(tmp_path, root, "--json", tmp_path / "a.json") == 0
    assert not any("boundary" in key for key in json.loads((tmp_path / "a.json").read_text())["metrics"])


@pytest.mark.parametrize("preset", ["espnet_tiny", "setr_pup_tiny", "pspnet_tiny"])
def test_any_size_goes_into_any_network(tmp_path: Path, preset: str) -> None:
    """45 x 61 is a multiple of nothing, and smaller than some networks' least."""
    root = camvid(tmp_path / "data", ["a"], (45, 61))
    assert evaluate(tmp_path, root, "--save", tmp_path / "out", preset=preset) == 0
    assert cv2.imread(str(tmp_path / "out" / "a.png"), cv2.IMREAD_UNCHANGED).shape == (45, 61)


def test_a_size_that_a_setting_forbids_names_file_and_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = camvid(tmp_path / "data", ["a"])
    assert evaluate(tmp_path, root, "--set", "evaluation.multiple=1", preset="espnet_tiny") == 2
    said = capsys.readouterr().err
    assert str(root / "val" / "a.png") in said
    assert "evaluation.multiple" in said


def test_places_are_tried_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = camvid(tmp_path / "data", ["a"])
    (tmp_path / "file").touch()
    for arguments, message in (
        (["--json", tmp_path], f"{tmp_path}: is a folder; --json needs the name of a file"),
        (["--json", tmp_path / "file" / "a.json"], f"{tmp_path / 'file'}: is a file; --json needs a folder"),
        (["--save", tmp_path / "file"], f"{tmp_path / 'file'}: is a file; --save needs a folder"),
    ):
        assert evaluate(tmp_path, root, *arguments) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert "mean IoU" not in said.out


def test_two_samples_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = camvid(tmp_path / "data", ["a"])
    assert evaluate(tmp_path, root, "--split", "trainval", "--save", tmp_path / "out") == 2
    assert f"{root / 'val' / 'a.png'} and {root / 'train' / 'a.png'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    config = load_config(None, ["data.dataset=camvid", f"data.root={root}"])
    with pytest.raises(DataError, match="no file name of its own"):
        output_names(config.open_dataset("trainval"))


class OnGpu(HostOnly):
    """Devices of a framework whose arrays lie on a GPU and have taken 5, then 7 MiB there."""

    def __init__(self, *told: float | None) -> None:
        self.told = list(told)

    def is_gpu(self, name: str) -> bool:
        return name == "gpu"

    def device_memory_mib(self, name: str) -> float | None:
        return self.told.pop(0)


@pytest.mark.parametrize(
    ("device", "told", "expected"),
    [("gpu", (5.0, 7.0), (7.0, 2.0)), ("gpu", (None, None), (None, None)), ("cpu", (), None)],
)
def test_a_benchmark_on_a_gpu_never_reports_the_hosts_memory(
    tmp_path: Path, device: str, told: tuple[float | None, ...], expected: tuple[float | None, ...] | None
) -> None:
    options = benchmark.parser("numpy").parse_args(
        ["--preset", "fast_scnn_tiny", "--size", "32x32", "--device", device, "--json", str(tmp_path / "a.json")]
    )
    backend = Backend("numpy", None, lambda spec, state, device: Constant(), OnGpu(*told))  # type: ignore[arg-type]
    assert run(lambda: benchmark.job(options, backend)) == 0
    result = json.loads((tmp_path / "a.json").read_text())
    if expected is None:
        assert result["memory_of"] == "process"
        assert result["peak_mib"] > 10
    else:
        assert result["memory_of"] == "gpu"
        assert (result["peak_mib"], result["added_mib"]) == expected


class Clock:
    """A clock that a step moves by its own milliseconds, the last ones again and again."""

    def __init__(self, *milliseconds: float) -> None:
        self.now, self.steps, self.milliseconds = 0.0, 0, milliseconds

    def step(self) -> None:
        self.now += self.milliseconds[min(self.steps, len(self.milliseconds) - 1)] / 1000
        self.steps += 1


def test_percentiles_are_of_the_timed_iterations_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(900.0, 900.0, 900.0, *range(1, 102))
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock.now)
    found = benchmark.measure(clock.step, 101, lambda: None)
    assert clock.steps == 3 + 101
    figures = [found[key] for key in ("fastest_ms", "median_ms", "mean_ms", "p50_ms", "p90_ms", "p99_ms")]
    np.testing.assert_allclose(figures, [1, 51, 51, 51, 91, 100])
    assert (found["peak_mib"], found["added_mib"]) == (None, None)


def test_the_method_of_fasterseg(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 unmeasured, 100, 200, 400 until a second is over (at 4 ms: 1.6 s), then six seconds' worth: 1500."""
    clock = Clock(4.0)
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock.now)
    found = benchmark.measure(clock.step, None, lambda: None, benchmark.METHODS["fasterseg"])
    assert found["iterations"] == pytest.approx(1500, abs=1)  # the clock's sums are rounded
    assert clock.steps == 10 + 100 + 200 + 400 + found["iterations"]
    assert found["mean_ms"] == pytest.approx(4.0)


def sweep(*arguments: str) -> int:
    options = benchmark.parser("numpy").parse_args(["--preset", "fast_scnn_tiny", *arguments, "--device", "cpu"])
    backend = Backend("numpy", None, lambda spec, state, device: Constant(), HostOnly())  # type: ignore[arg-type]
    return run(lambda: benchmark.job(options, backend))


def test_a_sweep_of_batches_and_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason='matplotlib is not installed: pip install -e ".[report]"')
    figures, drawn = tmp_path / "a.json", tmp_path / "a.png"
    both = ["--batch", "1", "2", "--size", "64x64", "32x64", "--iterations", "2"]
    assert sweep(*both, "--json", str(figures), "--plot", str(drawn)) == 0
    runs = json.loads(figures.read_text())["runs"]
    assert [one["shape"] for one in runs] == [[1, 3, 32, 64], [1, 3, 64, 64], [2, 3, 32, 64], [2, 3, 64, 64]]
    state = dataclasses.replace(PRESETS["fast_scnn_tiny"].spec, num_classes=19).for_inference().parameters()
    parameters = sum(math.prod(one.shape) for one in state if one.trainable)
    for one in runs:
        assert one["pictures_per_second"] == pytest.approx(1000 * one["shape"][0] / one["mean_ms"])
        assert one["parameters"] == parameters
    assert len([line for line in capsys.readouterr().out.splitlines() if "32x64" in line or "64x64" in line]) == 4
    height, width = cv2.imread(str(drawn)).shape[:2]
    assert (height, width) == (400, 1000)


def test_multiply_adds_stand_where_they_were_counted(tmp_path: Path) -> None:
    counted = Measurements.read(benchmark.ROOT / benchmark.MEASUREMENTS).of(PRESETS["fast_scnn_tiny"])
    if counted is None:
        pytest.skip("not counted yet: run `make zoo`")
    config = load_config(None, ["model.preset=fast_scnn_tiny"])
    spec = PRESETS["fast_scnn_tiny"].spec
    assert benchmark.multiply_adds(config, spec, counted.input) == counted.multiply_adds
    assert benchmark.multiply_adds(config, spec, (32, 32)) is None
    other = dataclasses.replace(spec, num_classes=spec.num_classes + 1)
    assert benchmark.multiply_adds(config, other, counted.input) is None


def test_a_plot_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--plot", str(tmp_path / "a.svg"), "--size", "32x32") == 2
    told = capsys.readouterr()
    assert "ends in .png" in told.err
    assert not told.out
