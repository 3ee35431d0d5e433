"""The proof of a conversion: what went in, what came out, what was done between, and what nobody has measured.

JSON for machines beside a page of HTML (weights_convert.proof_page) for people, written next to the weights.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from core.arch.inventory import Foldable
from core.data.normalization import Normalize, find_normalization
from core.description import package_versions
from core.files import map_file, write_text
from core.schema import to_plain
from core.tensors import Tensors
from weights_convert import proof_page
from weights_convert.formats import format_of
from weights_convert.inspection import file_checksum, file_facts
from weights_convert.load import Imported
from weights_convert.native_names import native_name, reader_of
from weights_convert.verify import ACROSS, Verification

NOT_STATED = "not stated"
LICENCE_KEYS = ("license", "licence")
LICENCE_FILES = ("license", "licence", "copying")
Pair = dict[str, Any]  # of the name map: source, result, shape, and what was done


def write_proof(
    target: Path,
    beside: Path,
    source: Path,
    tensors: Tensors,
    *,
    imported: Imported | None = None,
    written: Imported | None = None,
    map_: Sequence[Pair] | None = None,
    dropped: Mapping[str, str] | None = None,
    normalization: str | Normalize | None = None,
    notes: Sequence[str] = (),
    verification: Verification | None = None,
    hashed: Future[dict[str, Any]] | None = None,
) -> tuple[Path, Path]:
    """Writes `<beside>.json` and `<beside>.html` about the weights that were written to `target`; gives the two paths.

    imported: the network, where it is known; `written`: as it was written, where its batch norms were folded.
    map_, dropped: where it is not known: what became of each tensor. hashed: size and SHA-256 of a source of one file.
    """
    with ThreadPoolExecutor(1) as other:  # hashing lets other threads run
        ours = other.submit(file_checksum, target)
        alone = hashed is not None and tuple(tensors.files) in ((), (source,))
        facts = hashed.result() if hashed is not None and alone else file_facts(source, tensors.files)
        result = {"file": target.name, "format": format_of(target).name, "bytes": target.stat().st_size}
        result |= {"sha256": ours.result()}
    proof = {
        "about": "conversion of weights, by SegParity",
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": package_versions(),
        "source": {"file": source.name, "format": tensors.format, **facts, "wrapping": list(tensors.wrapping)},
        "result": result,
        "network": _network(imported),
        "licence": licence_of(source, tensors),
        "preprocessing": _preprocessing(normalization),
        "name_map": list(_pairs(imported, written or imported, target) if imported else map_ or []),
        "dropped": dict(imported.fit.dropped if imported else dropped or {}),
        "notes": list(notes),
        "verification": _verification(verification),
        "not_measured": not_measured(imported, normalization, verification, tensors),
    }
    paths = beside.with_name(beside.name + ".json"), beside.with_name(beside.name + ".html")
    write_text(paths[0], json.dumps(proof, indent=1) + "\n")
    write_text(paths[1], proof_page.page(proof))
    return paths


def _network(imported: Imported | None) -> dict[str, Any] | None:
    if imported is None:
        return None
    fit = imported.fit
    return {
        "origin": fit.source.name,
        "origin_about": fit.source.about,
        "naming": fit.layout.name,
        "preset": fit.preset,
        "overrides": to_plain(fit.overrides),
        "num_classes": fit.spec.num_classes,
        "parameters": fit.spec.parameter_count(),
        "recognised_by": imported.recognised,
        "fits_as_well": list(imported.also),
    }


def _pairs(imported: Imported, written: Imported, target: Path) -> list[Pair]:
    """Where each tensor of the result comes from."""
    backend, pairs = reader_of(format_of(target).name), []
    folds = {
        f"{layer}.{leaf}": fold.norm
        for fold in _new_folds(imported, written)
        for layer in fold.layers
        for leaf in ("weight", "bias")
    }
    for parameter in written.spec.parameters():
        origin = imported.fit.origins.get(parameter.name)
        native = native_name(parameter, backend) if backend else None
        done = [f"with {folds[parameter.name]} folded in"] if parameter.name in folds else []
        if origin is not None and origin.transposed != bool(native and native.transposed):
            done.append("transposed")
        if origin is not None and not imported.tensors[origin.name].ndim:
            done.append("a scalar as one value")
        pairs.append(
            {
                "source": origin.name if origin else "",
                "canonical": parameter.name,
                "result": native.name if native else parameter.name,
                "shape": list(parameter.shape),
                "kind": parameter.kind,
                "done": ", ".join(done),
            }
        )
    return pairs


def _new_folds(imported: Imported, written: Imported) -> list[Foldable]:
    before = {fold.norm for fold in imported.spec.folds()}
    return [fold for fold in written.spec.folds() if fold.norm not in before]


def renamed(
    arrays: Mapping[str, np.ndarray], names: Mapping[str, str], written: Mapping[str, Sequence[int]]
) -> list[Pair]:
    """The name map of weights whose network is not known: `names` from the source's to the result's, and the latter's
    shapes."""
    pairs = []
    for name, to in names.items():
        before, after = list(arrays[name].shape), list(written.get(to, arrays[name].shape))
        pairs.append({"source": name, "result": to, "shape": after, "done": "" if before == after else f"was {before}"})
    return pairs


def _preprocessing(normalization: str | Normalize | None) -> dict[str, Any]:
    """How pictures are brought to the network's scale: y = (x * scale - mean) / std * scale_after, x in 0..255."""
    if normalization is None:
        return {"known": False, "said": "the source does not say how pictures were normalised"}
    found = find_normalization(normalization)
    name = normalization if isinstance(normalization, str) else None
    return {"known": True, "name": name, "formula": "(x * scale - mean) / std * scale_after", **to_plain(found)}


def licence_of(source: Path, tensors: Tensors) -> dict[str, str]:
    """What the source says of its licence: in its metadata, or in a file beside weights that are a folder."""
    for key, value in tensors.metadata.items():
        if key.lower() in LICENCE_KEYS and value.strip():
            return {"licence": value.strip()[:200], "said_by": f"the file's metadata, {key!r}"}
    if source.is_dir():
        for path in sorted(source.iterdir()):
            if path.stem.lower() in LICENCE_FILES and path.is_file() and path.stat().st_size:
                first = bytes(map_file(path)[:4096]).decode(errors="replace").strip().splitlines()[:1]
                return {"licence": (first or [NOT_STATED])[0].strip()[:200], "said_by": f"the file {path.name!r} in it"}
    return {"licence": NOT_STATED, "said_by": "the source says nothing of it"}


def _verification(found: Verification | None) -> dict[str, Any] | None:
    if found is None:
        return None
    values = dataclasses.asdict(found) | {"reference": found.reference, "ok": found.ok, "largest_allowed": ACROSS}
    values["dtype"] = "float64"
    return _finite(values)


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def not_measured(
    imported: Imported | None,
    normalization: str | Normalize | None,
    verification: Verification | None,
    tensors: Tensors,
) -> list[str]:
    """What a reader might take for granted, in words."""
    said = []
    if imported is None:
        said.append("The network is not known here: it was not built, so that nothing was computed with the weights.")
    elif verification is None:
        said.append("The network was not run: without --verify no output of source and result was compared.")
    else:
        said.append(
            "The network of the source was not run in its own code: names and layouts were mapped by explicit rules, "
            "and source and result compared in this project's networks."
        )
        said += [f"Not compared there: {reason}" for reason in verification.missing]
        said.append(
            f"One random picture of {verification.size[0]}x{verification.size[1]} was compared, in inference mode; "
            "gradients and batch statistics were not."
        )
    said.append(
        "No data set was scored: whether the weights reach a published figure is not known from this conversion."
    )
    if normalization is None:
        said.append("How pictures are to be normalised is not known, and the result says nothing of it.")
    elif imported is not None and not tensors.metadata.get("normalization"):
        said.append("The normalisation is the origin's usual one or was given by hand; the weights do not tell theirs.")
    if tensors.facts.get("kind") == "cloud training job":
        said.append(
            "How the service resized pictures before inference is not published; the configuration runs them unresized."
        )
    said.append("That the source's values are what its maker meant to publish: only that they are the same here.")
    return said
