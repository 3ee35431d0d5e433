"""`python -m weights_convert SRC DST`, `… inspect FILE` and `… map SRC --onto NAMES`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from core.data.normalization import NORMALIZATIONS
from core.errors import SegParityError, WeightsError
from core.files import write_text
from core.settings import merge_layers, parse_setting
from weights_convert.formats import FORMATS
from weights_convert.inspection import inspect_file, table
from weights_convert.load import count_reasons
from weights_convert.mapping import propose_map
from weights_convert.name_map import map_text
from weights_convert.propose import parse_hints
from weights_convert.rescue import Rescued, Target, rescue, rescue_as_is, target_of, weight_path
from weights_convert.sources import SOURCES
from weights_convert.verify import report

OPTIONS = {"origin": "--from", "settings": "--set", "dataset_options": "--dataset-option"}  # by their other name
ORIGINS = "\n".join(f"  {source.name:14s} {source.about}" for source in SOURCES.values())


def overrides_of(settings: Sequence[str], example: str = "backbone.heads=12", option: str = "--set") -> dict[str, Any]:
    """`a.b=value` (YAML values) as nested mappings. Raises ConfigError."""
    return merge_layers([parse_setting(setting, example, option) for setting in settings])


def _parser(prog: str, **options: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter, **options)
    parser.add_argument("--from", dest="origin", metavar="ORIGIN", help="where the file comes from, if not recognised")
    parser.add_argument("--arch", metavar="PRESET", help="the network, if not recognised")
    parser.add_argument("--ema", action="store_true", help="the moving average kept beside the weights")
    return parser


def convert_parser() -> argparse.ArgumentParser:
    parser = _parser(
        "python -m weights_convert",
        description="Converts weights between frameworks and from published repositories. The formats are told by the "
        f"extensions:\n{', '.join(FORMATS)}. `python -m weights_convert inspect FILE` shows what is in a file.",
        epilog=f"origins:\n{ORIGINS}",
    )
    parser.add_argument("source", metavar="SRC", type=weight_path)
    parser.add_argument("target", metavar="DST", help="a file, or a folder: weights, configuration and proof")
    parser.add_argument("--format", metavar="EXT", help="of the weights in a folder: pth, pdparams, params, …")
    parser.add_argument(
        "--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="change the preset"
    )
    parser.add_argument("--dataset", help="the data set the weights were trained on (metadata)")
    parser.add_argument(
        "--dataset-option",
        dest="dataset_options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an option of that data set, e.g. void_class=true for CamVid with twelve classes",
    )
    parser.add_argument(
        "--normalization",
        metavar="NAME",
        help="how pictures were normalised (metadata), if the origin does not tell: " + ", ".join(NORMALIZATIONS),
    )
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="any network, known or not: names and layouts are kept as they are, only the format changes",
    )
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="with --as-is: batch norms named and fully connected layers laid out as torch, paddle or mxnet has them",
    )
    parser.add_argument(
        "--map", type=weight_path, metavar="FILE", help="any network, under the names of a map (see `map --help`)"
    )
    parser.add_argument(
        "--fold",
        action="store_true",
        help="batch norms folded into the convolutions before them: the same outputs in inference, but for rounding",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="run source and result in every installed backend and compare layer by layer",
    )
    return parser


def _convert(arguments: Sequence[str]) -> int:
    parser = convert_parser()
    options = parser.parse_args(arguments)
    target = target_of(options.target, options.format)
    if options.as_is or options.map is not None:
        return _convert_as_is(parser, options, target)
    if options.layout is not None:
        raise WeightsError("--layout goes with --as-is: a known network is laid out as the framework of DST wants it")
    done = rescue(
        options.source,
        target,
        verified=options.verify,
        origin=options.origin,
        preset=options.arch,
        overrides=overrides_of(options.settings),
        dataset=options.dataset,
        normalization=options.normalization,
        dataset_options=overrides_of(options.dataset_options, "void_class=true", "--dataset-option"),
        ema=options.ema,
        fold=options.fold,
    )
    imported = done.imported
    assert imported is not None
    fit = imported.fit
    print(f"{options.source}: {fit.label}, {fit.spec.num_classes} classes, {len(imported.state)} tensors")
    if imported.also:
        print(f"  the same names and network: {', '.join(imported.also)}")
    if fit.overrides:
        print(f"  changed in the preset: {json.dumps(fit.overrides)}")
    for reason, count in count_reasons(fit.dropped).items():
        print(f"  left out: {count} tensors ({reason})")
    for note in done.notes:
        print(f"  note: {note}")
    print(f"{target.weights}: written")
    _say_beside(done)
    return 0 if done.verification is None else report(done.verification)


def _say_beside(done: Rescued) -> None:
    if done.target.config is not None and done.imported is not None:
        print(f"{done.target.config}: a configuration to evaluate and predict with")
    print(f"{done.proof[1]}: the proof, and as JSON beside it")


def _convert_as_is(parser: argparse.ArgumentParser, options: argparse.Namespace, target: Target) -> int:
    taken = ("source", "target", "as_is", "ema", "format", "map" if options.map is not None else "layout")
    given = [name for name, value in vars(options).items() if value != parser.get_default(name)]
    needless = [OPTIONS.get(name, f"--{name}") for name in given if name not in taken]
    if needless:
        raise WeightsError(
            f"{'--as-is' if options.as_is else '--map'} asks for no network, so that it takes no {', '.join(needless)}"
        )
    done = rescue_as_is(options.source, target, ema=options.ema, layout=options.layout, map_file=options.map)
    print(f"{options.source}: {len(done.tensors)} tensors, {done.tensors.format}")
    for note in done.notes:
        print(f"  note: {note}")
    layouts = f"in {options.layout}'s layouts"
    kept = "names and layouts are those of the source" if options.layout is None else layouts
    kept = f"under the names of {options.map}" if options.map is not None else f"as it is: {kept}"
    print(f"{target.weights}: written {kept}")
    _say_beside(done)
    return 0


def _inspect(arguments: Sequence[str]) -> int:
    parser = _parser("python -m weights_convert inspect", description="Shows what is in a weight file.")
    parser.add_argument("file", metavar="FILE", type=weight_path)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    report = inspect_file(options.file, options.origin, options.arch, options.ema)
    print(json.dumps(report, indent=1) if options.json else table(report))
    return 0


def _map(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m weights_convert map",
        description="Proposes which tensor of SRC is which of another network, as YAML to read and correct. Apply it\n"
        "with `python -m weights_convert SRC DST --map FILE`. A list of names is printed by\n"
        "  torch   for n, t in net.state_dict().items(): print(n, *t.shape)\n"
        "  paddle  for n, t in net.state_dict().items(): print(n, *t.shape)\n"
        "  mxnet   for n, p in net._collect_params_with_prefix().items(): print(n, *p.shape)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SRC", type=weight_path)
    parser.add_argument("--onto", required=True, metavar="NAMES", type=weight_path, help="a list, or a weight file")
    parser.add_argument("--out", metavar="FILE", type=weight_path, help="where the map goes; printed without")
    parser.add_argument("--hint", action="append", default=[], metavar="SCOPE=SCOPE", help="what belongs together")
    parser.add_argument("--ema", action="store_true", help="the moving average kept beside the weights")
    options = parser.parse_args(arguments)
    found = propose_map(options.source, options.onto, parse_hints(options.hint), ema=options.ema)
    head = f"{options.source.name} onto {options.onto.name}\n" + "\n".join(found.lines())
    for line in found.lines():
        print(line, file=sys.stderr)
    if options.out is None:
        print(map_text(found.names, head), end="")
    else:
        write_text(options.out, map_text(found.names, head))
        print(f"{options.out}: written", file=sys.stderr)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        jobs = {"inspect": _inspect, "map": _map}
        return jobs[given[0]](given[1:]) if given and given[0] in jobs else _convert(given)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
