"""python -m core.data.doctor --cfg FILE [--set KEY=VALUE] [--sample N] [--fix FILE]

Looks at the pictures and label maps of a configuration and says what is wrong with them and what to set. Exit status:
0 where nothing is, 1 where there are errors or warnings, 2 where it cannot look.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.config import Config, load_layers
from core.data.doctor.diagnosis import diagnose
from core.data.doctor.examine import Examination, examine
from core.data.doctor.finding import LEVELS, Finding
from core.data.doctor.mend import as_yaml, config_of, layers_of, mended
from core.data.doctor.page import page
from core.errors import ConfigError, SegParityError
from core.files import require_file, write_text
from core.safetensors import load
from core.schema import to_plain


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(options)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    layers = layers_of(options.cfg, options.overrides)
    if not layers:
        raise ConfigError("nothing to look at: give --cfg FILE")
    config = load_layers(layers, str(options.cfg or "command line"))
    if options.fix == Path():
        named = options.cfg or Path("doctor.yaml")
        options.fix = named.with_name(f"{named.stem}.fixed.yaml")
    for path, option in ((options.page, "--page"), (options.json, "--json"), (options.fix, "--fix")):
        if path is not None:
            require_file(path, option)
    if options.fix and options.cfg and options.fix.resolve() == options.cfg.resolve():
        raise ConfigError(f"{options.fix}: --fix does not write over the configuration; give another file")

    def look(config: Config) -> Examination:
        splits = options.splits or (config.data.train, config.data.val)
        examined = examine(config, splits, sample=options.sample, workers=options.workers)
        if options.weights is not None:
            examined.weights = options.weights, load(options.weights).metadata.get("normalization", "")
        return examined

    examined = look(config)
    findings = diagnose(examined)
    _report(examined, findings)
    if options.page is not None:
        write_text(options.page, page(examined, findings, f"{options.cfg or examined.dataset.name}"))
        print(f"with pictures: {options.page}")
    if options.json is not None:
        write_text(options.json, json.dumps([_plain(finding) for finding in findings], indent=1) + "\n")
    if options.fix is not None:
        values, done, remaining = mended(layers, examined, findings, look)
        config_of(values)
        write_text(options.fix, as_yaml(values, done, remaining, str(options.cfg or "the command line's settings")))
        left = [finding.kind for finding in remaining if finding.level != "note"]
        print(f"mended: {options.fix}" + (f"; what no setting can mend: {', '.join(left)}" if left else ""))
    return 1 if any(finding.level != "note" for finding in findings) else 0


def _report(examined: Examination, findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(finding)
    read = ", ".join(
        f"{split} {len(looks)} of {len(examined.datasets[split])}" for split, looks in examined.looks.items()
    )
    counts = ", ".join(f"{sum(f.level == level for f in findings)} {level}s" for level in LEVELS)
    print(f"{examined.dataset.name} in {examined.dataset.root}: {counts} (pairs read: {read})")


def _plain(finding: Finding) -> dict[str, object]:
    kept = {key: getattr(finding, key) for key in ("kind", "level", "what", "advice", "count")}
    return {**kept, "files": [str(path) for path in finding.files], "settings": to_plain(finding.settings)}


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.data.doctor",
        description="Look at a data set before training on it: what is wrong, in which files, and what to set.",
        epilog="exit status: 0 nothing wrong, 1 errors or warnings, 2 it could not look",
    )
    parser.add_argument("--cfg", type=Path, metavar="FILE", help="the configuration that training takes")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable"
    )
    parser.add_argument("--sample", type=_count, metavar="N", help="read N pairs of each split (default: all)")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="the first is trained on (default: data.train, data.val)"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights (.safetensors) whose normalisation the pictures should have",
    )
    parser.add_argument(
        "--page", type=Path, default=Path("report/doctor.html"), metavar="FILE",
        help="a page with pictures (default: report/doctor.html)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="the findings, for scripts")
    parser.add_argument(
        "--fix", type=Path, nargs="?", const=Path(), metavar="FILE",
        help="write the configuration that the findings suggest (default: NAME.fixed.yaml beside the --cfg file)",
    )  # fmt: skip
    parser.add_argument("--workers", type=_count, default=os.cpu_count() or 1, metavar="N", help="files read at once")
    return parser


if __name__ == "__main__":
    sys.exit(main())
