"""`python -m weights_convert inspect FILE`: what is in a weight file, and what it seems to be."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.tensors import human, raw_bytes
from weights_convert.load import open_tensors, recognise

CHUNK = 1 << 20


def file_checksum(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def file_facts(path: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Size and SHA-256; of weights in several files those of each, and that of the list as `sha256sum` writes it."""
    if tuple(files) in ((), (path,)):
        return {"bytes": path.stat().st_size, "sha256": file_checksum(path)}
    base = path if path.is_dir() else path.parent
    parts: list[dict[str, Any]] = [
        {"file": file.relative_to(base).as_posix(), "bytes": file.stat().st_size, "sha256": file_checksum(file)}
        for file in sorted(files)
    ]
    together = "".join(f"{part['sha256']}  {part['file']}\n" for part in parts)
    total = sum(part["bytes"] for part in parts)
    return {"bytes": total, "sha256": hashlib.sha256(together.encode()).hexdigest(), "files": parts}


def describe_array(array: np.ndarray) -> dict[str, Any]:
    """Type, shape, size and CRC-32 of a tensor, and how many values are not finite."""
    data = np.ascontiguousarray(array)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "bytes": int(array.nbytes),
        "crc32": f"{zlib.crc32(raw_bytes(array)):08x}",
        "nonfinite": int(data.size - np.isfinite(data).sum()) if data.dtype.kind in "fc" else 0,
    }


def inspect_file(path: Path, origin: str | None = None, preset: str | None = None, ema: bool = False) -> dict[str, Any]:
    """Everything `inspect` shows, as plain values. Raises WeightsError if the file cannot be read."""
    tensors = open_tensors(path, ema=ema)
    report: dict[str, Any] = {
        "file": str(path),
        **file_facts(path, tensors.files),
        "format": tensors.format,
        "wrapping": list(tensors.wrapping),
        "notes": list(tensors.notes),
        "metadata": dict(tensors.metadata),
        "tensors": {name: describe_array(array) for name, array in tensors.items()},
    }
    try:
        imported = recognise(path, tensors, origin=origin, preset=preset)
    except WeightsError as error:
        report["guess"], report["problem"] = None, str(error)
        return report
    fit = imported.fit
    report["notes"] = list(imported.notes)
    report["guess"] = {
        "origin": fit.source.name,
        "naming": fit.layout.name,
        "preset": fit.preset,
        "overrides": fit.overrides,
        "num_classes": fit.spec.num_classes,
        "parameters": fit.spec.parameter_count(),
        "dropped": fit.dropped,
        "also": list(imported.also),
    }
    return report


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    tensors = report["tensors"]
    width = min(max(map(len, tensors), default=4), 80)
    lines = [f"{'name':{width}s}  {'type':8s} {'shape':>20s} {'size':>9s}  crc32"]
    for name, row in tensors.items():
        shape = "x".join(map(str, row["shape"])) or "scalar"
        bad = f"  {row['nonfinite']} not finite" if row["nonfinite"] else ""
        lines.append(f"{name:{width}s}  {row['dtype']:8s} {shape:>20s} {human(row['bytes']):>9s}  {row['crc32']}{bad}")
    total = sum(row["bytes"] for row in tensors.values())
    lines += ["", f"{len(tensors)} tensors, {human(total)}; {report['format']} file of {human(report['bytes'])}"]
    lines.append(f"sha256 {report['sha256']}")
    lines += [f"  {part['sha256']}  {part['file']}" for part in report.get("files", ())]
    if report["wrapping"]:
        lines.append(f"state dictionary found under {'.'.join(report['wrapping'])}")
    lines += [f"note: {note}" for note in report["notes"]]
    lines += [f"{key}: {_short(value)}" for key, value in report["metadata"].items()]
    guess = report["guess"]
    if guess is None:
        return "\n".join([*lines, "", report["problem"]])
    lines += [
        "",
        f"origin {guess['origin']} ({guess['naming']}), preset {guess['preset']}, {guess['num_classes']} classes",
    ]
    if guess["overrides"]:
        lines.append(f"changed in the preset: {json.dumps(guess['overrides'])}")
    if guess["also"]:
        lines.append(f"the same names and network: {', '.join(guess['also'])}")
    lines += [f"left out: {name} ({reason})" for name, reason in guess["dropped"].items()]
    lines.append(f"{guess['parameters'] / 1e6:.3f} M learnable parameters")
    return "\n".join(lines)


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
