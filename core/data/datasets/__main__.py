"""The page of data sets, made from what each of them says of itself.

python -m core.data.datasets docs/data_sets.md
python -m core.data.datasets --check docs/data_sets.md      # whether the page is as it would be written
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.data.datasets import DATASETS
from core.data.datasets.base import Dataset
from core.data.datasets.facts import Facts
from core.errors import SegParityError
from core.files import write_text
from core.published import published

_HEAD = """\
# Data sets

Made from the data sets' files by `make table`; `core/data/datasets/<name>.py` is where to change it. A configuration
names one by `data.dataset`, its place by `data.root`, its splits by `data.train` and `data.val`, and its options by
`data.options`:

```yaml
data: {dataset: voc, root: data/voc, train: train_aug, val: val}
data: {dataset: mapillary, root: data/vistas, options: {version: v2.0, classes: cityscapes}}
```

Each is made from the archives that it is published in, which are yours to fetch, by

```
python -m core.data.prepare NAME --from ARCHIVES --to ROOT
```

ARCHIVES are zip, tar, tgz, .mat and .json files, or folders with them or with what was in them. Files are made in
parallel (`--workers`), each whole or not at all, so that the same command goes on after a kill; then the pictures are
counted and every sample is read as training reads it (`--check`). Nothing in an archive decides where a file is
written, links are refused, and so are sizes that no data set has. Labels keep the numbers that they are published with;
how these become classes is told by the data set, once. MATLAB's files need SciPy and h5py: `pip install -e ".[data]"`.
"""


def page() -> str:
    """The whole page, Markdown."""
    known = [dataset for dataset in DATASETS.values() if dataset.facts is not None]
    known.sort(key=lambda dataset: dataset.name)
    parts = [_HEAD, _overview(known)]
    first: dict[str, str] = {}
    for dataset in known:
        assert dataset.facts is not None
        parts.append("\n".join(_section(dataset, dataset.facts, first.setdefault(dataset.__module__, dataset.name))))
    return "\n".join(parts)


def _overview(known: Sequence[type[Dataset]]) -> str:
    rows = ["| `data.dataset` | what | classes | pictures, train / val / test |", "| --- | --- | ---: | ---: |"]
    for dataset in known:
        assert dataset.facts is not None
        counts = dataset.facts.counts
        shown = " / ".join(f"{counts[split]:,}" if split in counts else "–" for split in ("train", "val", "test"))
        rows.append(
            f"| [`{dataset.name}`](#{dataset.name}) | {dataset.facts.title} | {dataset.space.num_classes} | {shown} |"
        )
    return "\n".join([*rows, ""])


def _section(dataset: type[Dataset], facts: Facts, first: str) -> Iterator[str]:
    """`first`: the data set of the same file at which what is told of all of them stands."""
    yield f"## {dataset.name}\n"
    yield f"{_texts(dataset)[0]}\n"
    if first == dataset.name:
        about = inspect.getdoc(inspect.getmodule(dataset)) or ""
        yield f"{about.partition(chr(10))[2].strip()}\n"
    else:
        yield f"See [{first}](#{first}) too.\n"
    yield f"- Source: {facts.source}"
    archives = ", ".join(f"`{name}`" for name in facts.archives)
    yield f"- Obtained: {facts.obtained}" + (f", as {archives}" if archives else "")
    yield f"- Licence: {facts.licence}"
    counts = [
        f"`{split}` {facts.counts[split]:,}" if split in facts.counts else f"`{split}`" for split in dataset.splits
    ]
    without = sorted(getattr(dataset, "unlabelled", ()))
    yield "- Splits: " + ", ".join(counts) + (f"; without labels: {', '.join(without)}" if without else "")
    usual = [f"crop {facts.crop[0]}x{facts.crop[1]}"] if facts.crop else []
    usual += [f"base size {facts.base}"] if facts.base else []
    if facts.pictures:
        yield f"- Pictures: {facts.pictures}" + (f"; usual: {', '.join(usual)}" if usual else "")
    space = dataset.space
    void = f"; ignored: {', '.join(space.void)}" if space.void else ""
    yield f"- Classes, {space.num_classes}: {', '.join(space.classes)}{void}"
    if len(space.numberings) > 1:
        yield f"- Numberings of label files: {', '.join(space.numberings)}"
    for option in _options(dataset):
        yield f"- Option {option}"
    figures = _figures(facts)
    if figures:
        yield f"- Published figures: {', '.join(figures)}"
    yield "\n```"
    yield from facts.layout
    yield "```\n"


def _texts(dataset: type[Dataset]) -> tuple[str, dict[str, str]]:
    """A data set's own docstring: what stands before the arguments, and what is said of each of them."""
    text, _, arguments = (inspect.getdoc(dataset) or "").partition("\nArgs:\n")
    said: dict[str, str] = {}
    name = ""
    for line in arguments.splitlines():
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            name = match[1]
            said[name] = match[2]
        elif name:
            said[name] += f" {line.strip()}"
    return text.strip(), said


def _options(dataset: type[Dataset]) -> Iterator[str]:
    hints = typing.get_type_hints(dataset.__init__)
    said = _texts(dataset)[1]
    for name, parameter in inspect.signature(dataset).parameters.items():
        if name in ("split", "root", "require_labels"):
            continue
        choices = typing.get_args(hints[name])
        literal = typing.get_origin(hints[name]) is typing.Literal
        values = f"{' or '.join(f'`{choice}`' for choice in choices)}, " if literal else ""
        yield f"`{name}` ({values}`{parameter.default}` if not set): {said[name]}"


def _figures(facts: Facts) -> list[str]:
    """The presets with a figure on this data set, and the parts it was measured on."""
    found = []
    for preset, known in published().items():
        parts = [figure.data for figure in known.figures if _is_on(figure.data, facts)]
        if parts:
            found.append(f"`{preset}`")
    return found


def _is_on(data: str, facts: Facts) -> bool:
    """Whether a figure's data, "Cityscapes val" say, is this data set or a part of it."""
    return any(data == title or data.startswith((f"{title} ", f"{title},")) for title in (facts.title, *facts.also))


def main(arguments: Sequence[str]) -> int:
    files = [Path(argument) for argument in arguments if argument != "--check"]
    if len(files) != 1:
        print("usage: python -m core.data.datasets [--check] FILE", file=sys.stderr)
        return 2
    try:
        text = page()
        if "--check" in arguments:
            same = files[0].read_text(encoding="utf-8") == text
            print(f"{files[0]}: {'is as it would be written' if same else 'is not; run `make table`'}")
            return 0 if same else 1
        write_text(files[0], text)
    except (SegParityError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
