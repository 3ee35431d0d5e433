"""`python -m core.report RUN [RUN…]`: one page that compares runs across frameworks, with everything in it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.errors import SegParityError
from core.files import require_file, write_text
from core.report.page import page
from core.report.reading import read_runs


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="python -m core.report",
        description="Compare runs on one HTML page: curves, per-class IoU over time, confusion matrices, "
        "the worst pictures, learning rate, speed, time left. Runs may be finished, cut off or still at work.",
    )
    command.add_argument("runs", nargs="+", type=_path, metavar="RUN", help="a run's directory")
    command.add_argument(
        "--out", type=_path, default=Path("report/runs.html"), metavar="FILE", help="the page (default: %(default)s)"
    )
    command.add_argument(
        "--every", type=float, metavar="SECONDS", help="write it again and again, until interrupted; the page reloads"
    )
    return command


def _path(text: str) -> Path:
    return Path(text).expanduser()


def write(options: argparse.Namespace) -> None:
    """Replaces the page whole: a reader never sees half of one."""
    write_text(options.out, page(read_runs(options.runs), options.every))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.every is not None and not 1 <= options.every <= 86400:
            raise SegParityError(f"--every {options.every:g}: give 1 to 86400 seconds")
        require_file(options.out, "--out")
        write(options)
        print(f"{len(options.runs)} runs -> {options.out}", flush=True)
        while options.every is not None:
            time.sleep(options.every)
            write(options)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
