"""The doctor's page: findings with pictures of the first of each kind, and a table of the classes. One file of HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np

from core.data.datasets.base import FileDataset
from core.data.datasets.images import colorize, read_image
from core.data.doctor.class_checks import suggested_weights
from core.data.doctor.examine import Examination, Look
from core.data.doctor.finding import LEVELS, Finding
from core.data.labels import IGNORE
from core.errors import DataError

_SIDE = 320  # of a picture on the page, pixels
_UNKNOWN = (255, 0, 255)  # values that stand for nothing
_IGNORED = (90, 90, 90)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --error: #c0262d; --warning: #b26a00; --note: #2a6fb0; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
article { border-left: .3rem solid; padding: .1rem 1rem .6rem; margin: 1.2rem 0; overflow-wrap: anywhere; }
.error { border-color: var(--error); } .warning { border-color: var(--warning); } .note { border-color: var(--note); }
.error b { color: var(--error); } .warning b { color: var(--warning); } .note b { color: var(--note); }
figure { display: inline-block; margin: .6rem .8rem .2rem 0; vertical-align: top; }
figure img { display: block; image-rendering: pixelated; max-width: 100%; }
figcaption { font-size: .8rem; opacity: .8; max-width: 20rem; overflow-wrap: anywhere; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; } pre { white-space: pre-wrap; }
details { font-size: .85rem; } p { margin: .4rem 0; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line); padding: .2rem .5rem; }
th { text-align: left; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
i.c { display: inline-block; width: 1em; height: 1em; border: 1px solid #8888; vertical-align: -.15em; }
i.b { display: inline-block; height: .7em; background: var(--note); }
.scroll { overflow-x: auto; }
"""


def page(examined: Examination, findings: Sequence[Finding], title: str) -> str:
    """HTML."""
    parts = [f"<h1>{html.escape(title)}</h1>", _summary(examined, findings)]
    parts += [_article(examined, finding) for finding in findings]
    parts += _classes(examined)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _summary(examined: Examination, findings: Sequence[Finding]) -> str:
    read = ", ".join(
        f"{split}: {len(looks)} of {len(examined.datasets[split])}" for split, looks in examined.looks.items()
    )
    counts = ", ".join(f"{sum(f.level == level for f in findings)} {level}s" for level in LEVELS)
    where = f"Data set <code>{examined.dataset.name}</code> in <code>{_e(examined.dataset.root)}</code>"
    return f"<p>{where}. Pairs read: {read}. Found: {counts}.</p>"


def _e(value: object) -> str:
    return html.escape(str(value))


def _article(examined: Examination, finding: Finding) -> str:
    files = "".join(f"<br><code>{_e(path)}</code>" for path in finding.files[:20])
    more = finding.count - len(finding.files[:20])
    files += f"<br>… and {more} more" if files and more > 0 else ""
    listed = f"<details><summary>files: {finding.count}</summary>{files}</details>" if files else ""
    settings = "".join(f"<br><code>{_e(key)}: {_e(_short(value))}</code>" for key, value in finding.settings.items())
    mended = f"<p>--fix writes:{settings}</p>" if settings else ""
    shown = "".join(_figures(examined, look) for look in finding.looks)
    return (
        f'<article class="{finding.level}"><p><b>{finding.level}</b> <code>{_e(finding.kind)}</code>: '
        f"{_e(finding.what)}.</p><p>→ {_e(finding.advice)}.</p>{mended}{shown}{listed}</article>"
    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 300 else text[:300] + " …"


def _figures(examined: Examination, look: Look) -> str:
    """The picture and its label map: as they are read, or what can be had of them."""
    dataset = examined.datasets[look.split]
    figures = [_figure(_picture(look), f"{look.split}: {look.pair.image.name}")]
    if look.pair.label is not None:
        painted, caption = _label(dataset, look)
        figures.append(_figure(painted, f"{look.pair.label.name}{caption}"))
    return "".join(figures)


def _picture(look: Look) -> np.ndarray | None:
    try:
        return read_image(look.pair.image, like=look.label_size)
    except DataError:
        return None


def _label(dataset: FileDataset, look: Look) -> tuple[np.ndarray | None, str]:
    """The label map in the classes' colours, unknown values in magenta, ignored ones in grey; and what is in it."""
    path = look.pair.label
    assert path is not None
    try:
        stored = dataset.decode(path)
    except DataError:
        try:
            return read_image(path), ": as a picture"
        except DataError:
            return None, ""
    table = np.full(1 << 16, -1, np.int16)
    known = dataset.label_table(path)
    table[: len(known)] = known
    classes = table[stored]
    painted = colorize(np.where(classes < 0, IGNORE, classes).astype(np.uint8), dataset.palette)
    painted[classes == IGNORE] = _IGNORED
    painted[classes < 0] = _UNKNOWN
    values = ", ".join(map(str, sorted(look.stored)[:12])) + (", …" if len(look.stored) > 12 else "")
    caption = f": values {values}" + ("; magenta stands for nothing" if look.unknown else "")
    return painted, caption + ("; grey is ignored" if look.ignored else "")


def _figure(picture: np.ndarray | None, caption: str) -> str:
    if picture is None:
        return f"<figure><figcaption>{_e(caption)}: cannot be read</figcaption></figure>"
    return f'<figure><img alt="" src="{as_url(picture)}"><figcaption>{_e(caption)}</figcaption></figure>'


def as_url(picture: np.ndarray, side: int = _SIDE) -> str:
    """uint8 [H, W, 3] RGB, made smaller, or larger by whole steps, as a PNG inside the page."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    elif int(scale) > 1:
        picture = picture.repeat(int(scale), 0).repeat(int(scale), 1)
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


def _classes(examined: Examination) -> list[str]:
    """How often each class occurs, and weights that would make up for it."""
    weights = suggested_weights(examined)
    train = next(iter(examined.looks))
    counts = {split: examined.counts(split) for split in examined.looks}
    totals = {split: max(int(found.sum()), 1) for split, found in counts.items()}
    largest = max(float(counts[train].max()) / totals[train], 1e-9)
    heads = [f"{split}, share" for split in counts] + [f"{train}, pictures"] + [f"weight, {rule}" for rule in weights]
    showing = np.zeros(examined.dataset.num_classes, int)
    for look in examined.looks[train]:
        showing += 0 if look.counts is None else (look.counts > 0).astype(int)
    rows = []
    for number, name in enumerate(examined.dataset.classes):
        color = "#" + bytes(examined.dataset.palette[number]).hex()
        share = counts[train][number] / totals[train]
        cells = [f"{counts[split][number] / totals[split]:.3%}" for split in counts]
        cells += [str(showing[number])]
        cells += [f"{values[number]:.3g}" for values in weights.values()]
        bar = f'<i class="b" style="width:{12 * share / largest:.2f}rem"></i>'
        rows.append(
            f'<tr><td class="n">{number}<td><i class="c" style="background:{color}"></i> {_e(name)}'
            + "".join(f'<td class="n">{cell}' for cell in cells)
            + f"<td>{bar}"
        )
    head = "".join(f"<th>{_e(text)}" for text in ("", "class", *heads, ""))
    note = " Of a sample of the files." if examined.sampled else ""
    return [f'<h2>Classes</h2><p>Shares of the labelled pixels.{note} loss.class_weights takes the name of a rule, or '
            f'the numbers.</p><div class="scroll"><table><tr>{head}{"".join(rows)}</table></div>']  # fmt: skip
