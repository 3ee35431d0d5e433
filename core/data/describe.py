"""python -m core.data.describe FOLDER [--out FILE]

Looks at a folder of pictures and label maps and writes a first configuration (data set `folder`) that trains at once,
with comments on what was guessed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.arch import PRESETS
from core.config import load_config
from core.data.datasets.folder import FRACTIONS, Folder
from core.data.guess_labels import Labels, look_at_labels, named_in
from core.data.guess_layout import Layout, find_layout
from core.errors import ConfigError, DataError, OutputError, SegParityError
from core.files import write_text
from core.schema import nearest

_FEW, _SEEDS = 2000, 32  # pairs up to which seeds are tried, and how many
_COMMON = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if not options.folder.is_dir():
            raise DataError(f"{options.folder}: there is no such folder")
        if options.preset not in PRESETS:
            raise ConfigError(f"--preset {options.preset}: there is no such preset.{nearest(options.preset, PRESETS)}")
        out = options.out or Path(f"{options.folder.resolve().name}.yaml")
        if out.exists() and not options.overwrite:
            raise OutputError(f"{out}: is there already; give another file (--out), or --overwrite")
        text = describe(options.folder, options.preset, out)
        write_text(out, text)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text, end="")
    print(f"written to {out}; look at what is guessed (comments), then", file=sys.stderr)
    print(f"  python -m core.data.doctor --cfg {out}", file=sys.stderr)
    print(f"  python -m backends.torch.train --cfg {out}", file=sys.stderr)
    return 0


def describe(folder: Path, preset: str, out: Path) -> str:
    """The configuration, YAML with comments. Raises DataError where no pictures with label maps are found."""
    layout = find_layout(folder)
    if layout.lists and not _lists_fit(folder, layout):
        layout = replace(layout, lists={})
    labels = look_at_labels([label for _, label in layout.pairs])
    if labels.lossy:
        print(
            f"WARNING: {labels.lossy}: this label map is stored with loss and will be refused: export the label maps "
            "anew as PNG",
            file=sys.stderr,
        )
    text = _text(folder, layout, labels, preset, out)
    config = load_config(text=text, where=str(out))
    for split in (config.data.train, config.data.val):
        config.open_dataset(split, require_labels=False)
    return text


def _lists_fit(folder: Path, layout: Layout) -> bool:
    """Whether the lists that were found name pictures of the folder."""
    for split in layout.lists:
        try:
            Folder(split, folder, classes=("any",), images=layout.images, labels=layout.labels, lists=layout.lists)
        except DataError:
            return False
    return True


def _seed(folder: Path, layout: Layout, labels: Labels) -> int:
    """The first of a few seeds whose training split leaves the fewest classes out."""
    if layout.splits or layout.lists or labels.kind == "colors" or len(layout.pairs) > _FEW:
        return 0
    everything = frozenset().union(*labels.held.values())
    lacking = {}
    for seed in range(_SEEDS):
        split = Folder(
            "train", folder, classes=("any",), images=layout.images, labels=layout.labels, labelled_only=True,
            fractions=FRACTIONS, seed=seed,
        )  # fmt: skip
        shown = frozenset().union(*(labels.held.get(pair.label, frozenset()) for pair in split.pairs if pair.label))
        lacking[seed] = len(everything - shown)
        if not lacking[seed]:
            break
    return min(lacking, key=lambda seed: (lacking[seed], seed))


def _text(folder: Path, layout: Layout, labels: Labels, preset: str, out: Path) -> str:
    names, known_from = named_in(folder, labels)
    spec = PRESETS[preset].spec
    height, width = layout.size
    crop = [max(spec.size_at_least(1, 1)[axis], _below((height, width)[axis], spec.multiple)) for axis in (0, 1)]
    training = _training_size(layout)
    batch = max(2, min(8, training // 2))
    train, val = _splits(layout)
    lines = [
        f"# Written by `python -m core.data.describe` for {folder}: {len(layout.pairs)} pictures with label maps"
        + (f", {layout.unlabelled} without" if layout.unlabelled else "")
        + ".",
        f"#   python -m core.data.doctor --cfg {out}",
        f"#   python -m backends.torch.train --cfg {out}",
        f"model: {{preset: {preset}}}",
        "data:",
        "  dataset: folder",
        f"  root: {_quoted(str(folder.resolve()))}",
        f"  train: {train}",
        f"  val: {val}",
        "  options:",
        "    # A label map belongs to the picture for which * stands for the same.",
        f"    images: {_quoted(layout.images)}",
        f"    labels: {_quoted(layout.labels)}",
        *_split_lines(layout, _seed(folder, layout, labels)),
        *([f"    labelled_only: true  # {layout.unlabelled} pictures have no label map"] if layout.unlabelled else []),
        *labels.lines(names, known_from),
        "transform:",
        f"  crop: [{crop[0]}, {crop[1]}]  # height, width; pictures are about {height}x{width}",
        *(["  scale: [0.75, 1.5]"] if min(height, width) < 128 else []),
        "train:",
        f"  batch_size: {batch}",
        "  iterations: 1000  # a first look; a real training takes 10,000 and more",
        "  eval_interval: 200",
        "optimizer: {name: adamw, lr: 1.0e-3, weight_decay: 0.01}",
    ]
    return "\n".join(lines) + "\n"


def _training_size(layout: Layout) -> int:
    if layout.splits or layout.lists:
        return max(2, len(layout.pairs) // 2)
    return max(2, round(0.8 * len(layout.pairs)))


def _below(side: int, multiple: int) -> int:
    step = 32 * multiple if 32 % multiple else 32
    return min(side, 512) // step * step


def _splits(layout: Layout) -> tuple[str, str]:
    """The names of the splits for training and validation."""
    known = [*layout.splits, *layout.lists]
    if not known:
        return "train", "val"
    train = next((name for name in known if name.lower() in _COMMON["train"]), known[0])
    val = next((name for kind in ("val", "test") for name in known if name.lower() in _COMMON[kind]), train)
    return train, val


def _split_lines(layout: Layout, seed: int) -> list[str]:
    if layout.splits:
        return [f"    # {{split}} stands for {', '.join(layout.splits)}"]
    if layout.lists:
        listed = ", ".join(f"{name}: {_quoted(file)}" for name, file in layout.lists.items())
        return [f"    lists: {{{listed}}}"]
    shares = ", ".join(f"{split}: {share}" for split, share in FRACTIONS.items())
    return [f"    fractions: {{{shares}}}  # drawn by the names of the files", f"    seed: {seed}"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.data.describe",
        description="Write a first configuration for a folder of pictures and label maps, from what is in it.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: the folder's name with .yaml, here")
    parser.add_argument("--preset", default="fast_scnn", metavar="NAME", help="the network (default: fast_scnn)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
