"""Checks of the pictures: normalisation, crop, colours, and whether label maps lie on them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from core.data.doctor.alignment import TURNS
from core.data.doctor.examine import Examination, Look
from core.data.doctor.finding import Finding, of_looks
from core.data.normalization import AUTO, describe, disagreement, find_normalization, read_normalization

_FAR = 3.0  # deviations between the mean that is taken off and that of the pictures
_RANGE = (1e-3, 100.0)  # the deviation of what networks were ever given (ESPNet 1/255, Caffe 60)
_FITTED = 4  # pictures that it takes to say anything of how label maps lie


def check_pictures(examined: Examination) -> Iterator[Finding]:
    looks = [look for look in examined.all() if look.size]
    if not looks:
        return
    yield from _normalization(looks, examined)
    yield from _grey(looks)
    yield from _crop(looks, examined)
    yield from _alignment(examined)
    yield from _sky(looks, examined)


def _normalization(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    said = examined.config.transform.normalize
    normalize = find_normalization(said)
    if examined.weights is not None:
        path, text = examined.weights
        known = read_normalization(text)
        warning = None if said == AUTO else disagreement(said, known, path)
        if warning:
            yield Finding(
                "normalization-of-weights", "error", warning.removeprefix("WARNING: "),
                "set transform.normalize: auto, which takes it from the weights",
                settings={"transform.normalize": AUTO},
            )  # fmt: skip
            return
        normalize = find_normalization(known if said == AUTO and known is not None else said)
    mean = np.mean([look.mean for look in looks], axis=0)
    spread = np.sqrt(np.mean([look.square for look in looks], axis=0) - mean**2)
    channels = range(3) if normalize.channel_order == "rgb" else (2, 1, 0)
    slope = np.array([normalize.scale / normalize.std[c] * normalize.scale_after for c in channels])
    offset = np.array([normalize.mean[c] / normalize.std[c] * normalize.scale_after for c in channels])
    given_mean, given_std = mean * slope - offset, np.maximum(spread * slope, 1e-9)
    if bool((np.abs(given_mean) <= _FAR * given_std).all()) and _RANGE[0] < given_std.mean() < _RANGE[1]:
        return
    measured = f"mean {_text(given_mean)} and deviation {_text(given_std)}"
    yield Finding(
        "normalization", "warning",
        f"pictures normalised as {describe(said)} have {measured} (RGB), far from 0 and 1 or from what any published "
        f"network was given; as they are stored, mean {_text(mean)} and deviation {_text(spread)} of 0..255",
        "with published weights keep theirs (transform.normalize: auto) and look at the pictures; from nothing, set "
        "transform.normalize to {mean: …, std: …} as measured",
        settings={
            "transform.normalize": {
                "mean": [round(float(v) / 255, 4) for v in mean],
                "std": [round(max(float(v) / 255, 0.01), 4) for v in spread],
                "scale": round(1 / 255, 10),
            }
        } if said != AUTO else {},
        looks=tuple(looks[:1]),
    )  # fmt: skip


def _text(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in values) + ")"


def _grey(looks: list[Look]) -> Iterator[Finding]:
    grey = [look for look in looks if look.grey and (look.square - look.mean**2).max() > 1e-6]
    if not grey:
        return
    some = len(grey) < len(looks)
    yield of_looks(
        "picture-grey", "note" if not some else "warning",
        f"{len(grey)} of {len(looks)} pictures are grey" + (", the others coloured" if some else ""),
        "grey pictures are trained on as three equal channels, which pretrained weights take well; "
        + ("see whether these belong to the set" if some else "set transform.saturation and transform.hue to 0"),
        grey, labels=False,
    )  # fmt: skip


def _crop(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    transform, spec = examined.config.transform, examined.config.segmenter(examined.dataset.num_classes)
    height, width = transform.crop
    sizes = [transform.resize or look.size for look in looks if look.size]
    scale = max(transform.scales or transform.scale)
    outside = [1 - min(1, scale * h / height) * min(1, scale * w / width) for h, w in sizes]
    median = np.median(list(sizes), axis=0)
    fitting = spec.size_at_least(1, 1)
    crop = [max(least, _below(int(side), spec.multiple)) for side, least in zip(median, fitting)]
    padded = [look for look, share in zip(looks, outside) if share > 0.25]
    if len(padded) > len(looks) // 2:
        yield of_looks(
            "crop-larger-than-pictures", "warning",
            f"transform.crop is {height}x{width}; {len(padded)} of {len(looks)} pictures stay smaller at every scale, "
            f"and {np.mean(outside):.0%} of a crop is filling; pictures are about {median[0]:.0f}x{median[1]:.0f} "
            "(height x width)",
            f"set transform.crop: {crop}", padded, labels=False, settings={"transform.crop": crop},
        )  # fmt: skip
    shown = [height * width / (np.mean(transform.scales or transform.scale) ** 2 * h * w) for h, w in sizes]
    if np.median(shown) < 0.02:
        yield of_looks(
            "crop-far-smaller-than-pictures", "note",
            f"a crop of {height}x{width} shows {np.median(shown):.1%} of a picture of {median[0]:.0f}x{median[1]:.0f}",
            "set a larger transform.crop, or transform.resize, so that objects fit into a crop", looks[:1],
            labels=False,
        )  # fmt: skip
    areas = np.array([h * w for h, w in sizes], float)
    if transform.resize is None and areas.max() > 16 * areas.min():
        small = looks[int(areas.argmin())]
        yield of_looks(
            "sizes-vary", "note",
            f"pictures have from {areas.min() / 1e3:.0f} to {areas.max() / 1e3:.0f} thousand pixels: objects of a "
            "class differ as much in size",
            "set transform.resize, or a wider transform.scale", [small], labels=False,
        )  # fmt: skip


def _below(side: int, multiple: int) -> int:
    """The largest multiple of 32 (and of what the network needs) not above `side`, nor above 512."""
    step = int(np.lcm(32, multiple))
    return max(step, min(side, 512) // step * step)


def _alignment(examined: Examination) -> Iterator[Finding]:
    """Label maps that lie better on their pictures when mirrored, turned or shifted; nearly all must say so."""
    fitted = [look for look in examined.all() if look.fit is not None]
    if len(fitted) < _FITTED:
        return
    plain = np.array([look.fit.plain for look in fitted if look.fit])
    turned = np.array([look.fit.turned for look in fitted if look.fit])
    best = int(np.median(turned, axis=0).argmax())
    better = turned[:, best] > plain + 0.15
    if better.mean() >= 0.75 and np.median(turned[:, best]) > 2 * max(float(np.median(plain)), 0.05):
        yield of_looks(
            "label-turned", "error",
            f"label maps fit their pictures better {TURNS[best]} (of {len(fitted)} looked at, {int(better.sum())})",
            f"turn the label maps back: they are {TURNS[best]}",
            [look for look, odd in zip(fitted, better) if odd],
        )  # fmt: skip
        return
    shifts = np.array([look.fit.shift for look in fitted if look.fit])
    shifted = np.array([look.fit.shifted for look in fitted if look.fit])
    middle = np.median(shifts, axis=0)
    agreeing = (np.abs(shifts - middle).max(1) <= 0.015) & (shifted > 1.3 * plain + 0.1)
    if np.abs(middle).max() >= 0.02 and agreeing.mean() >= 0.6:
        yield of_looks(
            "label-shifted", "error",
            f"label maps fit their pictures better when moved by {middle[0]:+.1%} of the height and {middle[1]:+.1%} "
            f"of the width (of {len(fitted)} looked at, {int(agreeing.sum())} agree)",
            "see how they were cut or exported: pictures and label maps must show the same piece",
            [look for look, odd in zip(fitted, agreeing) if odd],
        )  # fmt: skip


def _sky(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Red and blue exchanged in the files, told by the sky: it is blue or grey, hardly ever red."""
    names = examined.dataset.classes
    sky = [number for number, name in enumerate(names) if re.search(r"\bsky\b", name, re.IGNORECASE)]
    if len(sky) != 1:
        return
    colored = [look for look in looks if look.sky_color is not None]
    red = [look for look in colored if look.sky_color is not None and look.sky_color[0] > look.sky_color[2] + 20]
    if len(colored) >= _FITTED and len(red) > 0.75 * len(colored):
        yield of_looks(
            "channels-swapped", "warning",
            f"the sky is red in {len(red)} of {len(colored)} pictures looked at: red and blue are most likely "
            "exchanged in the files (BGR written as RGB)",
            "write the pictures anew with the channels in order", red, labels=False,
        )  # fmt: skip
