"""The table of the zoo in README.md, made from the presets: `python -m core.zoo README.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from core.arch import PRESETS
from core.errors import SegParityError

BEGIN, END = "<!-- zoo: begin (make table) -->", "<!-- zoo: end -->"


def zoo_table() -> str:
    """Markdown: one row per preset that stands for a published network."""
    rows = ["| preset | parameters (M) | original | paper |", "| --- | ---: | --- | --- |"]
    for name, preset in PRESETS.items():
        if name.endswith("_tiny"):
            continue
        paper = preset.paper.rsplit("arXiv:", 1)[-1]
        size = f"{preset.spec.parameter_count() / 1e6:.3f}"
        rows.append(f"| `{name}` | {size} | {preset.original} | [{paper}](https://arxiv.org/abs/{paper}) |")
    return "\n".join(rows)


def put_table(text: str, where: str) -> str:
    """`text` with the table between its markers. Raises SegParityError where they are missing."""
    if BEGIN not in text or END not in text:
        raise SegParityError(f"{where}: has no lines {BEGIN!r} and {END!r} to put the table between")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{zoo_table()}\n{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m core.zoo README.md", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    try:
        path.write_text(put_table(path.read_text(encoding="utf-8"), str(path)), encoding="utf-8")
    except (SegParityError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
