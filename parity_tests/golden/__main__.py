"""The command line: `python -m parity_tests.golden PATH… [--backends torch,paddle,mxnet] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.description import backend_names
from core.errors import SegParityError
from core.files import require_file, write_text
from core.schema import to_plain
from parity_tests.golden.run import check


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="python -m parity_tests.golden",
        description="Compares the backends with what the original implementations computed. Status 1 if an output is "
        "beyond tolerance, a file has no preset or a backend asked for is missing.",
    )
    command.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="golden files, or folders of them")
    command.add_argument("--backends", help="comma-separated (default: all that are installed)")
    command.add_argument("--preset", help="the files' network, where they do not tell it")
    command.add_argument("--allow-missing", action="store_true", help="list files without a preset instead of failing")
    command.add_argument(
        "--dtype",
        choices=("auto", "float32", "float64"),
        default="auto",
        help="auto: float64 for files recorded in float64, else float32",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write every output's figures there")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    known = backend_names()
    backends = options.backends.split(",") if options.backends else list(known)
    unknown = [name for name in backends if name not in known]
    if unknown:
        print(f"error: unknown backend {unknown[0]!r}: {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        if options.json is not None:
            require_file(options.json, "--json")
        result = check(options.paths, backends, options.dtype, options.preset)
        if options.json is not None:
            write_text(options.json, json.dumps({"outputs": to_plain(result.outcomes)}, indent=1) + "\n")
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for text in result.without_preset:
        print(f"{'NO PRESET' if options.allow_missing else 'FAIL  no preset'}  {text}")
    print(
        f"{result.compared} outputs of {result.files} files compared, {result.failed} failed; "
        f"{len(result.without_preset)} files without a preset"
    )
    if result.missing_backends:
        print(f"backends SKIPPED, not installed: {', '.join(result.missing_backends)}")
    lacking = bool(options.backends and result.missing_backends) or len(result.missing_backends) == len(backends)
    refused = bool(result.without_preset) and not options.allow_missing
    return 1 if result.failed or refused or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
