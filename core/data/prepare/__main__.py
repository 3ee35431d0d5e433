"""python -m core.data.prepare NAME --from ARCHIVES --to ROOT

Makes the layout that a data set is read in from the archives it is published in, and checks the result. Give the
archives, or the folder they lie in, unpacked or not. Interrupted, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from core.data.datasets import DATASETS, find_dataset
from core.data.datasets.base import FileDataset
from core.data.prepare.check import check
from core.data.prepare.engine import make
from core.errors import DataError, SegParityError

_BAR = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        dataset = find_dataset(options.name)
        if not dataset.recipe or not issubclass(dataset, FileDataset):
            names = ", ".join(name for name, found in DATASETS.items() if found.recipe)
            raise DataError(f"data set {options.name!r} is not made from archives; those that are: {names}")
        with tqdm(total=100, desc=f"{options.name}: writing", file=sys.stderr, bar_format=_BAR) as bar:
            made = make(
                dataset,
                options.sources,
                options.root,
                options.workers,
                options.overwrite,
                lambda done, share: _tell_share(bar, done, share),
            )
            _tell_share(bar, made.written + made.kept, 1.0)
        print(f"{options.root}: {made.written} files written, {made.kept} were there already")
        with tqdm(unit=" samples", desc=f"{options.name}: checking", file=sys.stderr) as bar:
            splits = check(dataset, options.root, options.check, options.workers, lambda n, of: _tell(bar, n, of))
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it was", file=sys.stderr)
        return 130
    for split in splits:
        print(split)
    print(f"to train: --set data.dataset={options.name} --set data.root={options.root}")
    short = [split for split in splits if split.published not in (None, split.count)]
    if short:
        print(
            f"warning: {', '.join(split.name for split in short)}: not as many pictures as published; archives, or "
            "parts of them, are lacking, or it is another release",
            file=sys.stderr,
        )
    return 1 if short and options.strict else 0


def _tell_share(bar: tqdm, done: int, share: float) -> None:
    bar.set_postfix_str(f"{done} files", refresh=False)
    bar.update(max(100 * share - bar.n, 0))


def _tell(bar: tqdm, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.data.prepare",
        description="Make a data set's layout from the archives it is published in, and check it.",
        epilog="data sets: " + ", ".join(name for name, dataset in DATASETS.items() if dataset.recipe),
    )
    parser.add_argument("name", metavar="NAME", help="the data set, as data.dataset names it")
    parser.add_argument(
        "--from", dest="sources", metavar="ARCHIVES", type=Path, nargs="+", action="extend", required=True,
        help="archives (zip, tar, tgz, …), .mat and .json files, or folders that hold them or what was in them",
    )  # fmt: skip
    parser.add_argument("--to", dest="root", metavar="ROOT", type=Path, required=True, help="becomes data.root")
    parser.add_argument("--workers", type=_count, default=os.cpu_count() or 1, help="files made at once")
    parser.add_argument(
        "--check", choices=("all", "sample", "none"), default="all",
        help="how many samples are read afterwards (default: all); their number is always looked at",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="write files anew that are there already")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 unless the published counts are met")
    return parser


if __name__ == "__main__":
    sys.exit(main())
