"""Measures the conversion of a large file between all pairs of formats: `python -m weights_convert.benchmark`.

Time is given as a ratio to copying the source file twice (each copy flushed to the disk, as every output here is), peak
memory as a ratio to the size of the source. Every conversion has its own process, and its source in the page cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from weights_convert.formats import read, write

EXTENSIONS = (".safetensors", ".pth", ".pdparams", ".params")


def make_state(megabytes: int) -> dict[str, np.ndarray]:
    """A state of about the given size with the shapes of a ResNet: 3x3 and 1x1 convolutions and batch norms."""
    rng = np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}
    size, block = 0, 0
    while size < megabytes * 1_000_000:
        shapes: dict[str, tuple[int, ...]] = {
            "conv1.weight": (512, 512, 1, 1),
            "conv2.weight": (512, 512, 3, 3),
            "conv3.weight": (2048, 512, 1, 1),
        }
        for norm in ("bn1", "bn2", "bn3"):
            shapes |= {f"{norm}.{name}": (512,) for name in ("weight", "bias", "running_mean", "running_var")}
        for name, shape in shapes.items():
            state[f"layer.{block}.{name}"] = rng.standard_normal(shape, dtype=np.float32)
            size += state[f"layer.{block}.{name}"].nbytes
        block += 1
    return state


def copy_twice(source: Path, target: Path) -> float:
    """Seconds for copying a file twice, flushed to the disk each time."""
    begin = time.perf_counter()
    for _ in range(2):
        shutil.copyfile(source, target)
        with open(target, "rb+") as file:
            os.fsync(file.fileno())
    elapsed = time.perf_counter() - begin
    target.unlink()
    return elapsed


def convert(source: Path, target: Path) -> None:
    """One conversion; prints its seconds and the peak resident memory of this process in bytes, map included."""
    begin = time.perf_counter()
    write(target, read(source))
    elapsed = time.perf_counter() - begin
    unit = 1 if sys.platform == "darwin" else 1024
    print(elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def measure(source: Path, target: Path, repeats: int) -> tuple[float, int]:
    """The best seconds of `repeats` conversions, and the largest peak memory in bytes."""
    command = [sys.executable, "-m", "weights_convert.benchmark", "--convert", str(source), str(target)]
    results = []
    for _ in range(repeats):
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        results.append((float(output[0]), int(output[1])))
        target.unlink()
    return min(seconds for seconds, _ in results), max(peak for _, peak in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the state (default 250)")
    parser.add_argument(
        "--folder", type=Path, help="where to work; a temporary folder is made in it (default: the system's)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="conversions per pair, the fastest counts (default 3)")
    parser.add_argument("--convert", nargs=2, type=Path, metavar=("SRC", "DST"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.convert:
        convert(*options.convert)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        state = make_state(options.megabytes)
        sources = [folder / f"source{extension}" for extension in EXTENSIONS]
        for source in sources:
            write(source, state)
        del state
        size = sources[0].stat().st_size
        copies = min(copy_twice(sources[0], folder / "copy") for _ in range(options.repeats))
        print(f"file {size / 1e6:.0f} MB, copied twice in {copies:.2f} s; best of {options.repeats}")
        print(f"{'from':>14} {'to':>14} {'seconds':>9} {'/ two copies':>13} {'peak / size':>12}")
        for source in sources:
            for extension in EXTENSIONS:
                seconds, peak = measure(source, folder / f"target{extension}", options.repeats)
                print(
                    f"{source.suffix:>14} {extension:>14} {seconds:9.2f} {seconds / copies:13.2f} {peak / size:12.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
