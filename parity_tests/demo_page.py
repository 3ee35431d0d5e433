"""The demonstration's page: HTML with everything in it, from what stands in demo.json."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from typing import Any

from parity_tests.report_plots import gap_plot, loss_plot

STYLE = """
:root { --ink: #16202c; --soft: #55616f; --line: #d9dee4; --paper: #fff; --wash: #f4f6f8; --good: #1b6e3c;
  --bad: #b00020; --none: #6b7683 }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 "Inter", "Segoe UI", system-ui, -apple-system, "DejaVu Sans", sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 2.2rem 1.2rem 4rem }
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.15; letter-spacing: -.02em; margin: 0 0 .5rem }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .4rem; letter-spacing: -.01em }
h3 { font-size: .92rem; margin: 1.1rem 0 .3rem; color: var(--soft); font-weight: 600 }
p { max-width: 76ch; margin: .3rem 0 .9rem }
a { color: #0b5cad }
.below { margin-top: .8rem }
.lead { font-size: 1.08rem; color: var(--soft) }
.banner { color: #fff; background: var(--good); border-radius: 10px; padding: .8rem 1.2rem; font-size: 1.15rem;
  font-weight: 600; margin: 1.2rem 0 }
.banner.bad { background: var(--bad) } .banner.none { background: var(--none) }
.banner small { display: block; font-weight: 400; font-size: .92rem }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .8rem }
.card { background: var(--paper); border: 1px solid var(--line); border-top: 4px solid var(--good); border-radius: 8px;
  padding: .8rem 1rem; color: inherit; text-decoration: none; display: block }
.card.bad { border-top-color: var(--bad) } .card.none { border-top-color: var(--none) }
.card b { display: block; font-size: 1.5rem; letter-spacing: -.02em; font-variant-numeric: tabular-nums }
.card span { color: var(--soft); font-size: .88rem; display: block; line-height: 1.35 }
.card strong { display: block; font-size: .88rem; line-height: 1.35; margin-top: .3rem }
.card em { font-style: normal; font-size: .8rem; font-weight: 700 }
.good em, .mark.good { color: var(--good) } .bad em, .mark.bad { color: var(--bad) } .none em { color: var(--none) }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.2rem 1.3rem;
  margin: 1.2rem 0 }
section.bad { border: 2px solid var(--bad) }
.mark { float: right; font-weight: 700; font-size: .9rem; margin-left: 1rem }
.mark.none { color: var(--none) }
.scroll { overflow-x: auto; max-width: 100%; background: linear-gradient(to right, #fff 40%, #fff0) 0 0 / 2rem 100%,
  linear-gradient(to left, #fff 40%, #fff0) 100% 0 / 2rem 100%,
  linear-gradient(to right, #0003, #0000) 0 0 / .7rem 100%,
  linear-gradient(to left, #0003, #0000) 100% 0 / .7rem 100%; background-repeat: no-repeat;
  background-attachment: local, local, scroll, scroll }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem;
  overflow-wrap: normal }
th, td { padding: .28rem .8rem .28rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6.5rem; max-width: 18rem }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 5.5rem }
tr.bad td { color: var(--bad); font-weight: 700 }
tr.twin td { background: #eef0f2 }
details { margin-top: .9rem; font-size: .92rem }
summary { cursor: pointer; color: #0b5cad }
pre { background: var(--wash); padding: .6rem .8rem; border-radius: 6px; font-size: .76rem; line-height: 1.45;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0 }
code { background: var(--wash); padding: .05rem .3rem; border-radius: 4px; font-size: .88em }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem }
.plots svg { width: 100%; height: auto; display: block }
.tiles { display: grid; grid-template-columns: repeat(var(--count), 1fr); gap: 5px; margin: 0 0 .9rem }
figure { margin: 0 } figcaption { font-size: .78rem; color: var(--soft); line-height: 1.4 }
.tiles img { width: 100%; display: block; border-radius: 3px }
.chip { margin-right: .9rem; white-space: nowrap; font-size: .85rem; display: inline-block }
.chip i { display: inline-block; width: .85rem; height: .85rem; margin-right: .3rem; vertical-align: -1px }
.warn { background: #fff3cd; border-radius: 8px; padding: .7rem 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .4rem 0; font-size: .88rem }
dt { color: var(--soft) } dd { margin: 0 }
@media (max-width: 640px) {
  main { padding: 1.2rem .7rem 3rem } section { padding: 1rem .8rem } .tiles { grid-template-columns: 1fr 1fr }
  th, td { padding-right: .45rem; font-size: .74rem } th:first-child, td:first-child { min-width: 4.2rem }
  thead th { min-width: 3rem } thead th:first-child { min-width: 4.2rem }
  dl { grid-template-columns: 1fr } dt { margin-top: .3rem }
}
"""
CLASS = {"PROVEN": "good", "FAILED": "bad", "NOT COMPARED": "none"}
DISTANCES = (  # heading, key, how it is written
    ("iterations until 0.1 % apart", "iterations_within_1e-3", "{:.0f}"),
    ("loss apart at the end", "end_loss_difference", "{:.2%}"),
    ("mIoU apart, points", "miou_points", "{:.2f}"),
    ("equal pixels", "pixels_equal", "{:.2%}"),
    ("first loss apart", "loss_1_difference", "{:.0e}"),
)


@dataclass(frozen=True)
class Tile:
    """A picture (PNG) with its title."""

    title: str
    png: bytes


def _escape(value: object) -> str:
    return html.escape(str(value))


def _table(table: dict[str, Any], twins: tuple[int, ...] = ()) -> str:
    """A table that scrolls sideways where the page is narrow."""
    head = "".join(f"<th>{_escape(cell)}</th>" for cell in table["head"])
    rows = []
    for i, row in enumerate(table["rows"]):
        kind = ' class="bad"' if i in table["bad"] else ' class="twin"' if i in twins else ""
        rows.append(f"<tr{kind}>{''.join(f'<td>{_escape(cell)}</td>' for cell in row)}</tr>")
    caption = f"<h3>{_escape(table['caption'])}</h3>" if table["caption"] else ""
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'{caption}<div class="scroll">{body}</div>'


def _how(paragraphs: list[str], commands: list[str], where: str) -> str:
    """What unfolds below a figure: how it was computed, by which commands, and where the numbers are."""
    text = "".join(f"<p>{_escape(paragraph)}</p>" for paragraph in paragraphs)
    shown = f"<pre>{_escape(chr(10).join(commands))}</pre>" if commands else ""
    link = f'<p>All the numbers: <a href="demo.json">demo.json</a>, under <code>{_escape(where)}</code>.</p>'
    return f"<details><summary>How this was computed</summary>{text}{shown}{link}</details>"


def _proof(number: int, proof: dict[str, Any]) -> str:
    kind = CLASS[proof["verdict"]]
    tables = "".join(_table(table) for table in proof["tables"])
    return f"""<section id="{proof["key"]}" class="{kind}">
<span class="mark {kind}">{proof["verdict"]}</span>
<h2>{number}. {_escape(proof["title"])}</h2><p>{_escape(proof["claim"])}</p>
<p><b>Found:</b> {_escape(proof["figure"])} {_escape(proof["unit"])}.<br><b>Allowed:</b> {_escape(proof["limit"])}.</p>
{tables}{_how(proof["how"], proof["commands"], f'proofs[{number - 1}] ("key": "{proof["key"]}")')}</section>"""


def _card(proof: dict[str, Any]) -> str:
    kind = CLASS[proof["verdict"]]
    return (
        f'<a class="card {kind}" href="#{proof["key"]}"><em>{proof["verdict"]}</em><b>{_escape(proof["figure"])}</b>'
        f"<span>{_escape(proof['unit'])}</span><strong>{_escape(proof['title'])}</strong></a>"
    )


def _banner(data: dict[str, Any]) -> str:
    kind, proofs = CLASS[data["verdict"]], data["proofs"]
    wrong = [proof["title"] for proof in proofs if proof["ok"] is False]
    if wrong:
        words = f"FAILED: {len(wrong)} of {len(proofs)} proofs<small>{_escape('; '.join(wrong))}</small>"
    elif kind == "none":
        words = "NOT COMPARED<small>With one framework there is nothing to compare it with.</small>"
    else:
        words = f"PROVEN: {len(proofs)} of {len(proofs)}<small>{_escape(', '.join(data['backends'].values()))}</small>"
    return f'<div class="banner {kind}">{words}</div>'


def _curves(data: dict[str, Any]) -> str:
    """The float32 trainings beside the twin."""
    curves, distances = data["curves"], data["distances"]
    first = curves["reference"]
    plots = f"<figure>{loss_plot(curves['losses'])}</figure>"
    if curves["differences"]:
        plots += (
            f"<figure>{gap_plot(curves['differences'])}<figcaption>Difference to {_escape(first)}, on a logarithmic "
            "scale.</figcaption></figure>"
        )
    rows = [[found["run"], *(form.format(found[key]) for _, key, form in DISTANCES)] for found in distances]
    twins = tuple(i for i, found in enumerate(distances) if found["twin"])
    head = [f"beside {first}", *(title for title, _, _ in DISTANCES)]
    table = _table({"caption": "", "head": head, "rows": rows, "bad": []}, twins) if rows else ""
    words = (
        f"In float32 a training amplifies its last bit. The grey line is no other framework: it is {_escape(first)} "
        "itself, started from initial weights that are each one unit in the last place off (the twin). Where the "
        "frameworks lie with the grey line, they differ by what the last bit does, and by nothing else."
        if any(found["twin"] for found in distances)
        else "In float32 a training amplifies its last bit."
    )
    how = [
        "Each run is the ordinary train command on the configuration; the twin's weights are the same initial weights, "
        "each moved to a neighbouring float32 (parity_tests/cases.py, one_ulp). Losses are those of metrics.jsonl. The "
        "first plot shows the mean over a twentieth of the run, the second the geometric mean over a fortieth "
        "(parity_tests/report_plots.py); every loss is in demo.json. The end is the last tenth of the run. Label maps "
        "are each run's, by its own framework.",
    ]
    return f"""<section id="curves"><h2>5. Training in float32, beside a twin</h2><p>{words}</p>
<div class="plots">{plots}</div>{table}{_how(how, curves["commands"], "curves, distances")}</section>"""


def _legend(data: dict[str, Any]) -> str:
    return "".join(
        f'<span class="chip"><i style="background:rgb({",".join(map(str, colour))})"></i>{_escape(name)}</span>'
        for name, colour in zip(data["dataset"]["classes"], data["palette"])
    )


def _pictures(shown: list[list[Tile]]) -> str:
    strips = []
    for tiles in shown:
        figures = "".join(
            f'<figure><img src="data:image/png;base64,{base64.b64encode(tile.png).decode()}" '
            f'alt="{_escape(tile.title)}"><figcaption>{_escape(tile.title)}</figcaption></figure>'
            for tile in tiles
        )
        strips.append(f'<div class="tiles" style="--count:{len(tiles)}">{figures}</div>')
    return "".join(strips)


def page(data: dict[str, Any], pictures: list[list[Tile]]) -> str:
    """The whole page, from what stands in demo.json."""
    names, dataset = list(data["backends"]), data["dataset"]
    listed = ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
    plural = "s" if len(names) > 1 else ""
    missing = (
        f'<p class="warn">Not installed, so not compared: {", ".join(data["missing"])}. '
        "<code>make setup</code> installs them.</p>"
        if data["missing"]
        else ""
    )
    fault = f'<p class="warn">Broken on purpose: {_escape(data["fault"])}.</p>' if data["fault"] else ""
    facts = {**data["environment"], "processes at a time": data["processes"], "took": f"{data['seconds']:.0f} s"}
    environment = "".join(f"<dt>{_escape(key)}</dt><dd>{_escape(value)}</dd>" for key, value in facts.items())
    seconds = ", ".join(f"{name} {found:.0f} s" for name, found in data["training_seconds"].items())
    scores = _how(
        ["Each run's last.safetensors by its own framework: eval --json, on the validation split."], [], "scores"
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SegParity: one config, {len(names)} framework{plural}</title>
<style>{STYLE}</style></head><body><main>
<h1>One config, one seed, {len(names)} framework{plural}</h1>
<p class="lead">The same network, written natively in {_escape(listed)}, trained from
<code>{_escape(data["cfg"])}</code> on drawn street scenes: what is equal, to how many digits, and what cannot be.</p>
{fault}{missing}{_banner(data)}<div class="cards">{"".join(_card(proof) for proof in data["proofs"])}</div>
{"".join(_proof(i, proof) for i, proof in enumerate(data["proofs"], start=1))}
{_curves(data)}
<section id="predictions"><h2>6. Predictions</h2>
<p>{len(pictures)} of the {dataset["pictures"]} validation pictures, evenly spaced; none was trained on.</p>
<p>{_legend(data)}</p>{_pictures(pictures)}</section>
<section id="figures"><h2>7. Scores</h2>{_table(data["scores"])}
<p class="below">Training took: {_escape(seconds)}.</p>{scores}</section>
<section id="environment"><h2>Environment and configuration</h2><dl>{environment}</dl>
<details><summary>The configuration, with every default</summary><pre>{_escape(data["config"])}</pre></details>
</section>
</main></body></html>
"""
