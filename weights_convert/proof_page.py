"""The proof of a conversion as a page: one HTML file with everything in it. All that a file says is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from core.tensors import human

STYLE = """
:root { --ink: #16202c; --soft: #5b6776; --line: #d9dee4; --wash: #f5f7f9; --good: #1a7f4b; --bad: #b3261e }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 2.4rem 1.4rem 4rem }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 0 0 .5rem }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 1.2rem; margin: 1.2rem 0 }
table { border-collapse: collapse; width: 100%; font-size: .9rem } .scroll { overflow-x: auto }
th { text-align: left; font-weight: 600; color: var(--soft); padding: .3rem .8rem .3rem 0; vertical-align: top }
td { padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; vertical-align: top }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace } .soft { color: var(--soft) }
.good { color: var(--good); font-weight: 600 } .bad { color: var(--bad); font-weight: 600 }
summary { cursor: pointer; color: var(--soft) }
@media print { body { background: #fff } section { break-inside: avoid } }
"""


def page(proof: dict[str, Any]) -> str:
    """The page of what weights_convert.proof wrote as JSON."""
    source, result, network = proof["source"], proof["result"], proof["network"]
    what = f"{network['preset']}, {network['num_classes']} classes" if network else "a network that is not known here"
    parts = [
        f"<h1>{_text(source['file'])} → {_text(result['file'])}</h1>",
        f"<p class=soft>{_text(what)}. Made {_text(proof['made'])}</p>",
        _section("Source and result", _files(source, result)),
        _section("The network", _network(network)),
        _section("Numbers", _verification(proof["verification"])),
        _section("Not measured", _list(proof["not_measured"])),
        _section("Preprocessing, which is no part of the weights", _preprocessing(proof["preprocessing"])),
        _section("Licence", _pairs([(proof["licence"]["licence"], proof["licence"]["said_by"])])),
        _section("Left out", _dropped(proof["dropped"])),
        _section("Notes", _list(proof["notes"]) if proof["notes"] else "<p class=soft>None.</p>"),
        _section("Name map", _map(proof["name_map"])),
        _section("Versions", _pairs(proof["versions"].items())),
    ]
    title = f"{source['file']} to {result['file']}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body><main>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_text(title)}</h2>\n{body}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Cells are text; those that begin with `<` were made here."""
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>"


def _code(value: Any) -> str:
    return f"<code>{_text(value)}</code>"


def _pairs(items: Iterable[tuple[Any, Any]]) -> str:
    rows = "\n".join(f"<tr><th>{_text(key)}</th><td>{_text(value)}</td></tr>" for key, value in items)
    return f"<table><tbody>{rows}</tbody></table>"


def _list(items: Iterable[Any]) -> str:
    return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"


def _files(source: dict[str, Any], result: dict[str, Any]) -> str:
    rows = [
        [_text(what), _code(side["file"]), _text(side["format"]), _text(human(side["bytes"])), _code(side["sha256"])]
        for what, side in (("source", source), ("result", result))
    ]
    rows += [
        ["· part", _code(part["file"]), "", _text(human(part["bytes"])), _code(part["sha256"])]
        for part in source.get("files", ())
    ]
    return _table(("", "file", "format", "size", "SHA-256"), rows)


def _network(network: dict[str, Any] | None) -> str:
    if network is None:
        return "<p>Not known here; every tensor was carried over, and none was interpreted.</p>"
    rows = [
        ("preset", network["preset"]),
        ("changed in it", json.dumps(network["overrides"]) if network["overrides"] else "nothing"),
        ("classes", network["num_classes"]),
        ("learnable parameters", f"{network['parameters']:,}"),
        ("origin", f"{network['origin']}: {network['origin_about']}"),
        ("naming", network["naming"]),
        ("recognised by", network["recognised_by"]),
    ]
    return _pairs([*rows, *([("fits as well", ", ".join(network["fits_as_well"]))] if network["fits_as_well"] else [])])


def _verification(found: dict[str, Any] | None) -> str:
    if found is None:
        return "<p>Nothing was computed: the conversion ran without <code>--verify</code>.</p>"
    verdict = "<p class=good>Verified.</p>" if found["ok"] else "<p class=bad>NOT verified.</p>"
    own = [
        [_text(found["backends"][name]), _number(value), _share(found["labels"].get(name))]
        for name, value in found["own"].items()
    ]
    others = [name for name in found["backends"] if name != found["reference"]]
    layers = [
        [_code(layer), *(_number(row[name]) if name in row else "" for name in others)]
        for layer, row in found["layers"].items()
    ]
    worst = [
        [_text(name), _number(max((row[name] for row in found["layers"].values() if name in row), key=float))]
        for name in others
    ]
    text = verdict + _table(("in", "source and result differ by", f"same label as in {found['reference']}"), own)
    if others:
        text += _table(("against " + found["reference"], "largest difference over all layers"), worst)
        text += (
            f"<details><summary>Every layer ({len(layers)}), float64, largest difference over largest value</summary>"
        )
        text += _table(("submodule", *others), layers) + "</details>"
    return text


def _number(value: Any) -> str:
    return _text(f"{value:.1e}" if isinstance(value, float) else value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4%} of the pixels"


def _preprocessing(found: dict[str, Any]) -> str:
    if not found["known"]:
        return f"<p>{_text(found['said'])}.</p>"
    shown = [(key, value) for key, value in found.items() if key != "known" and value is not None]
    return _pairs((key, json.dumps(value) if isinstance(value, list) else value) for key, value in shown)


def _dropped(dropped: dict[str, str]) -> str:
    if not dropped:
        return "<p>Nothing: every tensor of the source is in the result.</p>"
    return _table(("tensor", "why"), ([_code(name), _text(reason)] for name, reason in dropped.items()))


def _map(pairs: list[dict[str, Any]]) -> str:
    rows = (
        [_code(p["source"]), _code(p["result"]), _text("x".join(map(str, p["shape"])) or "scalar"), _text(p["done"])]
        for p in pairs
    )
    table = _table(("in the source", "in the result", "shape", "done"), rows)
    return f"<details><summary>{len(pairs)} tensors</summary>{table}</details>"
