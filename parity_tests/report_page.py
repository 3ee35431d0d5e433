"""The report's page: HTML with everything in it."""

from __future__ import annotations

import html
from itertools import pairwise
from typing import Any

from core.description import backend_names
from parity_tests.ladder import REFERENCE
from parity_tests.report_plots import PAIRS, divergence_plot, profile_plot

SHORT = {name: name[0].upper() for name in (*backend_names(), REFERENCE)}
# Columns of the matrix: title, rung, what of it (the start of the quantities' names), how a cell is written.
COLUMNS = (
    ("Parameters", "1 parameters", "", "tick"),
    ("Forward<br>float64", "2 forward", "logits, float64", "digits"),
    ("Forward<br>float32", "2 forward", "logits, float32", "digits"),
    ("Gradients<br>float64", "4 backward", "gradients, float64", "digits"),
    ("Gradients<br>float32", "4 backward", "gradients, float32", "digits"),
    ("Batch-norm<br>statistics", "4 backward", "statistics, float64", "digits"),
    ("Optimizers<br>float64", "5 optimizers", "", "digits"),
    ("Label<br>maps", "7 labels", "", "tick"),
    ("20 iterations<br>float64", "8 training", "losses, float64", "digits"),
    ("50 iterations<br>float32", "8 training", "losses, float32", "times"),
    ("Checkpoints<br>exchanged", "9 checkpoints", "", "tick"),
)
ONCE = ("3 losses", "6 data")
# Light to dark, for 0 … 16 digits.
SCALE = ((0, (255, 247, 188)), (4, (199, 233, 180)), (8, (65, 182, 196)), (12, (34, 94, 168)), (17, (8, 29, 88)))

STYLE = """
:root { --ink: #16202c; --soft: #5b6776; --line: #d9dee4; --paper: #fff; --wash: #f5f7f9 }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink);
  font: 16px/1.55 "Inter", "Segoe UI", system-ui, -apple-system, "DejaVu Sans", sans-serif }
main { max-width: 1400px; margin: 0 auto; padding: 2.6rem 1.5rem 4rem }
h1 { font-size: 2.3rem; line-height: 1.15; letter-spacing: -.02em; margin: 0 0 .5rem }
h2 { font-size: 1.3rem; margin: 0 0 .3rem; letter-spacing: -.01em }
p { max-width: 78ch; margin: .3rem 0 1rem }
.lead { font-size: 1.12rem; color: var(--soft) }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.6rem 0 }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1.3rem;
  flex: 1 1 9rem }
.card b { display: block; font-size: 1.75rem; letter-spacing: -.02em; font-variant-numeric: tabular-nums }
.card span { color: var(--soft); font-size: .9rem }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.4rem 1.5rem;
  margin: 1.4rem 0 }
.scroll { overflow-x: auto }
table { border-collapse: separate; border-spacing: 1px; font-variant-numeric: tabular-nums }
table.matrix { font-size: .76rem; width: 100% }
table.once { width: auto }
.once td { min-width: 4rem }
.matrix th { font-weight: 600; padding: .2rem .15rem; line-height: 1.2; vertical-align: bottom }
.matrix th.pair { font-weight: 500; color: var(--soft); font-size: .68rem; padding: 0 }
.matrix td { text-align: center; padding: .3rem 0; min-width: 1.5rem; border-radius: 4px }
.matrix td.times { font-size: .68rem; letter-spacing: -.03em }
.matrix td.gap, .matrix th.gap { min-width: .15rem; width: .15rem; padding: 0 }
.matrix th[scope=row] { text-align: left; white-space: nowrap; font-weight: 500; padding-right: .7rem;
  vertical-align: middle }
.matrix tr.group th { text-align: left; padding-top: .8rem; font-size: .82rem; color: var(--soft); font-weight: 600 }
td.none { color: #9aa5b1 }
td.bad { background: #b00020; color: #fff; font-weight: 700 }
.key { display: flex; align-items: center; gap: .3rem; font-size: .82rem; margin: .4rem 0 .9rem; flex-wrap: wrap }
.key i { font-style: normal; padding: .1rem .55rem; border-radius: 4px }
.key em { font-style: normal; color: var(--soft); margin-right: .9rem }
svg { width: 100%; height: auto }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.4rem; margin: .4rem 0; font-size: .92rem }
dt { color: var(--soft) } dd { margin: 0 }
.list td, .list th { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line);
  font-size: .9rem; vertical-align: top }
.warn { background: #fff3cd; border-radius: 8px; padding: .7rem 1rem }
.line { display: inline-block; width: 2rem; border-top: 3px solid; vertical-align: middle; margin-right: .3rem }
.band { display: inline-block; width: 2rem; height: .9rem; background: #ced4da; vertical-align: middle;
  margin-right: .3rem }
code { background: var(--wash); padding: .05rem .3rem; border-radius: 4px }
"""


def colour(digits: float) -> tuple[str, str]:
    """Background and text colour of so many digits; the text is black or white, whichever contrasts more."""
    low, high = SCALE[0], SCALE[-1]
    for (a, _), upper in pairwise(SCALE):
        if digits >= a:
            low, high = next(s for s in SCALE if s[0] == a), upper
    share = min(max((digits - low[0]) / (high[0] - low[0]), 0), 1)
    mixed = [x + (y - x) * share for x, y in zip(low[1], high[1])]
    channels = [v / 255 / 12.92 if v <= 10.3 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in mixed]
    luminance = 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    text = "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"
    return f"rgb({', '.join(str(round(v)) for v in mixed)})", text


def _number(value: float) -> str:
    return "=" if value >= 17 else f"{value:.0f}"


def _cell(found: list[dict[str, Any]], kind: str) -> str:
    """One cell: the least agreement among the outcomes it stands for."""
    if not found:
        return '<td class="none">·</td>'
    worst = max(found, key=lambda o: (not o["ok"], float("inf") if o["relative"] is None else o["relative"]))
    tip = html.escape(f"{worst['quantity']}: {worst['where']} (allowed {worst['tolerance']:.0e}: {worst['reason']})")
    if any(not o["ok"] for o in found):
        return f'<td class="bad" title="{tip}">✗</td>'
    if kind == "times":
        multiple = worst["relative"]
        back, ink = colour(12 if multiple <= 1 else 10 if multiple <= 5 else 8)
        shown = f"{multiple:.1f}×" if multiple < 10 else f"{multiple:.0f}×"
        return f'<td class="times" style="background:{back};color:{ink}" title="{tip}">{shown}</td>'
    if kind == "tick":
        back, ink = colour(17 if worst["relative"] == 0 else 13)
        sign = "=" if all(o["relative"] == 0 for o in found) else "✓"
        return f'<td style="background:{back};color:{ink}" title="{tip}">{sign}</td>'
    digits = min(o["digits"] for o in found)
    back, ink = colour(digits)
    return f'<td style="background:{back};color:{ink}" title="{tip}">{_number(digits)}</td>'


def _groups(data: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Rows by kind of network, in the order climbed."""
    cases = list(dict.fromkeys(o["case"] for o in data["outcomes"] if o["rung"] not in ONCE))
    tiny = [name for name in cases if name.endswith("_tiny")]
    narrow = [name for name in cases if name.endswith(", narrow")]
    rest = [name for name in cases if name not in tiny + narrow]
    titled = [
        ("Every architecture, small", tiny),
        ("Every published original, its switches as they are, narrow", narrow),
        ("Published networks, full size", rest),
    ]
    return [(title, names) for title, names in titled if names]


def _pairs(data: dict[str, Any]) -> list[tuple[str, str]]:
    names = list(data["backends"])
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]


def _matrix(data: dict[str, Any]) -> str:
    pairs = _pairs(data)
    gap, gap_head = '<td class="gap"></td>', '<th class="gap"></th>'
    head = "".join(f'{gap_head}<th colspan="{len(pairs)}">{title}</th>' for title, *_ in COLUMNS)
    under = "".join(
        gap_head + "".join(f'<th class="pair">{SHORT[a]}·{SHORT[b]}</th>' for a, b in pairs) for _ in COLUMNS
    )
    index: dict[tuple[str, str, frozenset[str]], list[dict[str, Any]]] = {}
    for outcome in data["outcomes"]:
        index.setdefault((outcome["case"], outcome["rung"], frozenset(outcome["pair"])), []).append(outcome)
    rows = []
    width = 1 + len(COLUMNS) * (len(pairs) + 1)
    for title, names in _groups(data):
        rows.append(f'<tr class="group"><th colspan="{width}">{html.escape(title)}</th></tr>')
        for name in names:
            cells = []
            for _, rung, quantity, kind in COLUMNS:
                cells.append(gap)
                for pair in pairs:
                    found = index.get((name, rung, frozenset(pair)), [])
                    cells.append(_cell([o for o in found if o["quantity"].startswith(quantity)], kind))
            shown = html.escape(name.removesuffix(", narrow"))
            rows.append(f'<tr><th scope="row">{shown}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr><tr><th></th>{under}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _once(data: dict[str, Any]) -> str:
    """The rungs that do not depend on the architecture, against numpy."""
    names = list(data["backends"])
    rows = []
    for rung in (*ONCE, "5 optimizers"):
        found = [o for o in data["outcomes"] if o["rung"] == rung and o["pair"][0] == REFERENCE]
        for quantity in dict.fromkeys(o["quantity"] for o in found):
            cells = [
                _cell([o for o in found if o["quantity"] == quantity and o["pair"][1] == name], "digits")
                for name in names
            ]
            rows.append(f'<tr><th scope="row">{rung[2:]}: {html.escape(quantity)}</th>{"".join(cells)}</tr>')
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(rows)
    return f'<table class="matrix once"><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _key() -> str:
    chips = []
    for digits in (1, 4, 6, 8, 10, 12, 14, 16):
        back, ink = colour(digits)
        chips.append(f'<i style="background:{back};color:{ink}">{digits}</i>')
    back, ink = colour(17)
    chips.append(f'<i style="background:{back};color:{ink}">=</i><em>bit for bit</em>')
    letters = " · ".join(f"<b>{SHORT[name]}</b> {name}" for name in backend_names())
    bad = '<i style="background:#b00020;color:#fff">✗</i><em>beyond its tolerance</em>'
    what = "<em>digits of agreement, -log10(max|a - b| / max|a|)</em>"
    return f'<div class="key">{what}{"".join(chips)}{bad}<em>{letters}</em></div>'


def _lines(names: list[str], band: bool) -> str:
    styles = {"-": "solid", "--": "dashed", ":": "dotted"}
    drawn = [
        f'<span class="line" style="border-top: 3px {styles[PAIRS[name][1]]} {PAIRS[name][0]}"></span><em>{name}</em>'
        for name in names
        if name in PAIRS
    ]
    extra = '<span class="band"></span><em>one framework, every initial weight one ulp off</em>' if band else ""
    return f'<div class="key">{"".join(drawn)}{extra}</div>'


def _cards(data: dict[str, Any]) -> str:
    outcomes = data["outcomes"]
    good = sum(o["ok"] for o in outcomes)
    cases = len({o["case"] for o in outcomes})

    def least(rung: str, quantity: str) -> str:
        found = [o["digits"] for o in outcomes if o["rung"] == rung and o["quantity"] == quantity]
        return f"{min(found):.1f}" if found else "–"

    cards = [
        (f"{good} / {len(outcomes)}", "comparisons within their tolerance"),
        (str(cases), "networks, of five architectures"),
        (least("2 forward", "logits, float64"), "digits at least, logits in float64"),
        (least("4 backward", "gradients, float64"), "digits at least, gradients in float64"),
        (least("8 training", "losses, float64"), "digits at least, after 20 iterations in float64"),
    ]
    return (
        '<div class="cards">'
        + "".join(f'<div class="card"><b>{a}</b><span>{b}</span></div>' for a, b in cards)
        + "</div>"
    )


def _tolerances(data: dict[str, Any]) -> str:
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for o in data["outcomes"]:
        key = (o["rung"], o["quantity"])
        if key not in seen or (o["relative"] or 0) > (seen[key]["relative"] or 0):
            seen[key] = o
    rows = "".join(
        f"<tr><td>{html.escape(rung)}</td><td>{html.escape(quantity)}</td><td>{_shown(o['relative'])}</td>"
        f"<td>{o['tolerance']:.0e}</td><td>{html.escape(o['reason'])}</td>"
        f"<td>{html.escape(o['case'])}, {' – '.join(o['pair'])}</td></tr>"
        for (rung, quantity), o in seen.items()
    )
    head = "".join(f"<th>{t}</th>" for t in ("rung", "quantity", "most found", "allowed", "why", "found in"))
    return f'<div class="scroll"><table class="list"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _shown(relative: float | None) -> str:
    return "–" if relative is None else "0" if relative == 0 else f"{relative:.1e}"


def page(data: dict[str, Any]) -> str:
    """The whole page, from what stands in parity.json."""
    names = [" – ".join(pair) for pair in _pairs(data)]
    missing = "".join(f'<p class="warn">Not compared: {html.escape(reason)}</p>' for reason in data["missing"].values())
    facts = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in data["environment"].items())
    frameworks = ", ".join(data["backends"].values())
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SegParity: three implementations, one network</title>
<style>{STYLE}</style></head><body><main>
<h1>Three implementations, one network</h1>
<p class="lead">How many digits the same segmentation networks agree to, written natively in {html.escape(frameworks)}:
parameters, logits, gradients, optimizers, batches, label maps, whole trainings.</p>
{missing}{_cards(data)}
<section><h2>Every network, every rung, every pair</h2>
<p>Each cell is the least agreement of all arrays behind it. Point at one for the array, its figure and the tolerance
with its reason. For the 50 iterations in float32 it is the largest multiple of what one ulp in the initial weights
does to a single framework.</p>{_key()}{_matrix(data)}</section>
<section><h2>Against the definitions in numpy</h2>
<p>Losses with their gradients, batches through the native loaders, and optimizer trajectories, over all networks.</p>
{_once(data)}</section>
<section><h2>Fifty iterations in float32</h2>
<p>Training amplifies the last bit. What matters is whether two frameworks drift apart faster than one framework drifts
from itself when every initial weight moves by one unit in the last place: the grey band.</p>
{_lines(names, band=True)}{divergence_plot(data["divergence"]) if data["divergence"] else ""}</section>
<section><h2>Layer by layer</h2>
<p>The difference of every named submodule's output, in training mode, from the picture to the logits: rounding that
grows, and no step.</p>{_lines(names, band=False)}{profile_plot(data["profiles"]) if data["profiles"] else ""}</section>
<section><h2>Tolerances, and how much of them is used</h2>{_tolerances(data)}</section>
<section><h2>Environment</h2><dl>{facts}<dt>climbed in</dt><dd>{data["seconds"]:.0f} s</dd></dl></section>
</main></body></html>
"""
