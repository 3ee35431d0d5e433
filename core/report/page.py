"""The page about runs: HTML with everything in it, readable from the first iteration on and after a crash."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.pace import BOTTLENECK, duration
from core.report.plots import COLOURS, Line, plot
from core.report.reading import RunRecord, load_picture
from core.resume import changes

STYLE = """
:root { --ink: #16202c; --soft: #55616f; --line: #d9dee4; --paper: #fff; --wash: #f4f6f8 }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 "Inter", "Segoe UI", system-ui, -apple-system, "DejaVu Sans", sans-serif }
main { max-width: 1280px; margin: 0 auto; padding: 1.6rem 1.2rem 4rem }
h1 { font-size: 1.8rem; letter-spacing: -.02em; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 0 0 .6rem }
h3 { font-size: .95rem; margin: 1rem 0 .4rem }
p { max-width: 80ch; margin: .3rem 0 .8rem } .soft { color: var(--soft) }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.2rem;
  margin: 1.1rem 0 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: .6rem 1.2rem }
.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)) }
svg { width: 100%; height: auto; display: block } .line { fill: none; stroke-linejoin: round }
.grid { stroke: #e4e8ec; fill: none } .tick { font-size: 11px; fill: #55616f } .title { font-size: 13px;
  font-weight: 600 }
.legend { position: sticky; top: 0; z-index: 1; background: var(--wash); padding: .5rem 0; font-size: .9rem }
.legend span { margin-right: 1.2rem; white-space: nowrap; display: inline-block }
.legend i { display: inline-block; width: 1.6rem; height: 0; border-top: 3px solid; vertical-align: middle;
  margin-right: .4rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left }
.confusion td { padding: .1rem .2rem; border: 1px solid #fff; min-width: 2rem; text-align: center; font-size: .72rem }
.confusion th { font-weight: 500; font-size: .72rem; padding: .1rem .3rem; border: 0 }
.confusion thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left }
.state { padding: .05rem .5rem; border-radius: 1rem; font-size: .8rem; color: #fff; background: #6b7683 }
.finished { background: #1b6e3c } .running { background: #0b5cad } .stopped { background: #a15c00 }
.warn { background: #fff3cd; border-radius: 8px; padding: .6rem .9rem; margin: .6rem 0 }
figure { margin: 0 0 .9rem } figure img { max-width: 100%; border-radius: 4px; display: block }
figcaption { font-size: .82rem; color: var(--soft) }
details { margin: .5rem 0 } summary { cursor: pointer; color: #0b5cad }
"""


def _escape(value: object) -> str:
    return html.escape(str(value))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def page(runs: Sequence[RunRecord], reload: float | None = None) -> str:
    """The whole page; `reload`: seconds after which a browser reads it again."""
    refresh = f'<meta http-equiv="refresh" content="{reload:g}">' if reload is not None else ""
    sections = [_overview(runs), _warnings(runs), _differences(runs), _curves(runs), _per_class(runs)]
    sections += [_confusion(runs), _worst(runs), _speed(runs)]
    names = ", ".join(run.name for run in runs)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Runs: {_escape(names)}</title>
<style>{STYLE}</style></head><body><main><h1>{len(runs)} run{"s" if len(runs) > 1 else ""}</h1>
<p class="soft">Written {time.strftime("%Y-%m-%d %H:%M:%S")}.</p>
<div class="legend">{_legend(runs)}</div>{"".join(sections)}</main></body></html>
"""


def _legend(runs: Sequence[RunRecord]) -> str:
    return "".join(
        f'<span><i style="border-color:{COLOURS[i % len(COLOURS)]}"></i>'
        f"{_escape(run.name)} ({_escape(run.backend)})</span>"
        for i, run in enumerate(runs)
    )


def _row(run: RunRecord) -> list[str]:
    best, lap = run.best, run.timing[-1] if run.timing else None
    recent = [step["loss"] for step in run.steps[-max(1, len(run.steps) // 20) :]]
    left = duration(lap["left"]) if lap is not None and run.state != "finished" else "–"
    return [
        _escape(run.name),
        f'<span class="state {run.state}">{run.state}</span>',
        _escape(run.framework or run.backend),
        _escape(run.config.model.preset),
        f"{run.iteration} / {run.config.train.iterations}",
        f"{sum(recent) / len(recent):.4f}" if recent else "–",
        f"{_percent(best['miou'])} (at {best['iteration']})" if best else "–",
        _percent(run.scores[-1]["miou"]) if run.scores else "–",
        f"{_rate(lap):.1f}" if lap else "–",
        f"{100 * _waiting(lap):.0f} %" if lap else "–",
        left,
    ]


def _rate(lap: dict[str, Any]) -> float:
    return float(lap["pictures"] / lap["seconds"]) if lap["seconds"] else 0.0


def _waiting(lap: dict[str, Any]) -> float:
    return float(lap["waited"] / lap["seconds"]) if lap["seconds"] else 0.0


def _overview(runs: Sequence[RunRecord]) -> str:
    head = ["run", "state", "framework", "network", "iteration", "loss, last twentieth", "best mIoU, %", "last mIoU, %"]
    head += ["pictures/s", "waiting for data", "time left"]
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in _row(run)) + "</tr>" for run in runs)
    titles = "".join(f"<th>{name}</th>" for name in head)
    return (
        f'<section><h2>Where they stand</h2><div class="scroll"><table><tr>{titles}</tr>{rows}</table></div></section>'
    )


def _warnings(runs: Sequence[RunRecord]) -> str:
    said = [f"{run.name}: {text}" for run in runs for text in run.missing]
    for run in runs:
        if run.timing and _waiting(run.timing[-1]) >= BOTTLENECK:
            share = f"{100 * _waiting(run.timing[-1]):.0f} % waiting"
            said.append(f"{run.name}: the loader is the bottleneck: {share}; more data.workers read ahead")
        if run.state == "stopped":
            said.append(
                f"{run.name}: stopped at iteration {run.iteration} of {run.config.train.iterations}; --resume goes on"
            )
    return "".join(f'<p class="warn">{_escape(text)}.</p>' for text in said)


def _differences(runs: Sequence[RunRecord]) -> str:
    """What tells the runs' configurations apart from the first one's."""
    if len(runs) < 2:
        return ""
    lines = []
    for run in runs[1:]:
        found = list(changes(runs[0].config, run.config).values())
        words = "the same configuration" if not found else ", ".join(found)
        lines.append(f"<li><b>{_escape(run.name)}</b>: {_escape(words)}</li>")
    return f"<section><h2>Beside {_escape(runs[0].name)}</h2><ul>{''.join(lines)}</ul></section>"


def _lines(runs: Sequence[RunRecord], records: str, value: Callable[[dict[str, Any]], float | None]) -> list[Line]:
    found = [(run, getattr(run, records)) for run in runs]
    return [Line(run.name, [r["iteration"] for r in rows], [value(r) for r in rows]) for run, rows in found]


def _field(name: str, scale: float = 1.0) -> Callable[[dict[str, Any]], float | None]:
    return lambda record: None if record.get(name) is None else scale * record[name]


def _curves(runs: Sequence[RunRecord]) -> str:
    plots = [
        plot("Training loss", _lines(runs, "steps", _field("loss")), log=_spans(runs)),
        plot("mIoU on the validation split, %", _lines(runs, "scores", _field("miou", 100))),
        plot("Pixel accuracy, %", _lines(runs, "scores", _field("pixel_accuracy", 100))),
        plot("Learning rate", _lines(runs, "steps", _field("lr"))),
    ]
    if len(runs) > 1:
        title = f"Loss beside {runs[0].name}: relative difference"
        plots.append(plot(title, [Line(runs[0].name, [], []), *(_gap(runs[0], run) for run in runs[1:])], log=True))
    return f'<section><h2>Curves</h2><div class="plots">{"".join(plots)}</div></section>'


def _spans(runs: Sequence[RunRecord]) -> bool:
    """Whether the losses span so much that only a logarithmic scale shows them all."""
    losses = [step["loss"] for run in runs for step in run.steps]
    return bool(losses) and min(losses) > 0 and max(losses) > 100 * min(losses)


def _gap(first: RunRecord, run: RunRecord) -> Line:
    losses = {step["iteration"]: step["loss"] for step in first.steps}
    both = [step for step in run.steps if losses.get(step["iteration"])]
    gaps = [abs(step["loss"] - losses[step["iteration"]]) / abs(losses[step["iteration"]]) for step in both]
    return Line(run.name, [step["iteration"] for step in both], gaps)


def _per_class(runs: Sequence[RunRecord]) -> str:
    """A small plot a class, of the first run's classes; runs on other classes are told."""
    classes = runs[0].classes
    same = [run if run.classes == classes else None for run in runs]
    others = [run.name for run in runs if run.classes != classes]
    plots = []
    for index, name in enumerate(classes):
        lines = []
        for run, kept in zip(runs, same):
            rows = kept.scores if kept is not None else []
            values = [_item(record.get("iou"), index) for record in rows]
            lines.append(Line(run.name, [r["iteration"] for r in rows], values))
        plots.append(plot(f"{name}, %", lines, size=(300, 170), low=0, high=100))
    note = f'<p class="warn">Other classes: {_escape(", ".join(others))}.</p>' if others else ""
    return (
        f'<section><h2>IoU of each class over time</h2>{note}<div class="plots small">{"".join(plots)}</div></section>'
    )


def _item(values: Any, index: int) -> float | None:
    found = values[index] if isinstance(values, list) and index < len(values) else None
    return None if found is None else 100 * found


def _confusion(runs: Sequence[RunRecord]) -> str:
    tables = []
    for run in runs:
        found = run.confusion()
        if found is None:
            tables.append(f"<h3>{_escape(run.name)}</h3><p>No evaluation yet.</p>")
            continue
        iteration, counts = found
        tables.append(
            f"<h3>{_escape(run.name)}, iteration {iteration}</h3>"
            f'<div class="scroll">{_confusion_table(counts, run.classes)}</div>'
        )
    words = "Rows are the truth, columns the prediction; each row is 100 %."
    return f"<section><h2>Confusion</h2><p>{words}</p>{''.join(tables)}</section>"


def _confusion_table(counts: np.ndarray, classes: Sequence[str]) -> str:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [*classes, *(f"output {i}" for i in range(len(classes), counts.shape[1]))]
    head = "<th></th>" + "".join(f"<th>{_escape(name)}</th>" for name in names)
    rows = []
    for name, row, total in zip(classes, shares, counts.sum(axis=1)):
        cells = "".join(
            f'<td style="background:rgba(11,92,173,{share:.3f});color:{"#fff" if share > 0.55 else "#16202c"}" '
            f'title="{_escape(name)} taken for {_escape(other)}: {100 * share:.2f} %">'
            f"{f'{100 * share:.0f}' if share >= 0.005 else ''}</td>"
            for other, share in zip(names, row)
        )
        rows.append(f"<tr><th>{_escape(name)}{'' if total else ' (absent)'}</th>{cells}</tr>")
    return f'<table class="confusion"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _worst(runs: Sequence[RunRecord]) -> str:
    parts = []
    for run in runs:
        parts.append(f"<h3>{_escape(run.name)}</h3>")
        pictures = [(path, load_picture(path)) for path in run.worst]
        parts += [
            f'<figure><img alt="{_escape(path.stem)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
            f"<figcaption>{_escape(path.stem)}</figcaption></figure>"
            for path, data in pictures
            if data is not None
        ]
        if not any(data for _, data in pictures):
            parts.append("<p>None yet.</p>")
    return f"<section><h2>Worst pictures of the last evaluation</h2>{''.join(parts)}</section>"


def _speed(runs: Sequence[RunRecord]) -> str:
    plots = [
        plot("Pictures a second", _lines(runs, "timing", _rate), low=0),
        plot(
            "Waiting for data, % of the time", _lines(runs, "timing", lambda lap: 100 * _waiting(lap)), low=0, high=100
        ),
        plot("Time left, minutes", _lines(runs, "timing", _field("left", 1 / 60)), low=0),
    ]
    return f'<section><h2>Speed</h2><div class="plots">{"".join(plots)}</div></section>'
