"""`model.tar.gz` of Amazon SageMaker's built-in "semantic segmentation" job: MXNet with GluonCV's networks.

The archive holds `hyperparams.json`, `model_algo-1` (the network, as Gluon's `save_parameters` writes it, without an
extension) and often `model_best.params`, the same at its best validation score. Described by its users
(aws/sagemaker-python-sdk#200 and #2062, aws/amazon-sagemaker-examples#864); the hyperparameters by the vendor
(docs.aws.amazon.com/sagemaker/latest/dg/segmentation-hyperparameters.html). No artefact of the service itself was at
hand: the tests' are made with GluonCV's own networks after that description.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from core.errors import WeightsError
from core.tensors import Tensors, listing, shown

HYPERPARAMETERS = "hyperparams.json"
LAST, BEST = "model_algo-1", "model_best.params"
LARGEST = 1 << 20
ALGORITHMS = {"fcn": "fcn", "psp": "pspnet", "deeplab": "deeplabv3"}  # here by
BACKBONES = {"resnet-50": "resnet50", "resnet-101": "resnet101"}
# The vendor's defaults, for jobs that leave them out. The crop's was 480 in the service's first documentation, is
# 240 now, and is rounded up to a multiple of 8.
DEFAULTS = {"algorithm": "fcn", "backbone": "resnet-50"}


def network_in(where: str, names: Sequence[str]) -> str:
    """The file of the network among the artefact's. Raises WeightsError where there is none."""
    chosen = next((name for name in (LAST, BEST) if name in names), None)
    if chosen is None:
        raise WeightsError(
            f"{where}: has {HYPERPARAMETERS} and neither {LAST} nor {BEST}; it holds {listing(list(names), 5)}"
        )
    return chosen


def read(
    where: str, names: Sequence[str], open_: Callable[[str], memoryview], chosen: str, tensors: Tensors
) -> Tensors:
    """The network's tensors; `facts` say what the hyperparameters tell: origin, preset, num_classes, crop.

    chosen: the file that `tensors` were read from.

    Raises:
        WeightsError: if the hyperparameters cannot be read, or name what no job of the service has.
    """
    facts = _facts(f"{where}/{HYPERPARAMETERS}", open_(HYPERPARAMETERS))
    others = [name for name in names if name not in (chosen, HYPERPARAMETERS)]
    notes = [f"read {chosen!r} of a cloud training job's artefact, as {HYPERPARAMETERS} says: {facts['said']}"]
    if others:
        unpack = " (to have it instead, unpack the archive and convert that file)" if BEST in others else ""
        notes.append(f"left out beside it: {listing(others, 5)}{unpack}")
    return replace(tensors, notes=[*notes, *tensors.notes], facts={**tensors.facts, **facts})


def _facts(where: str, raw: memoryview) -> dict[str, str]:
    if len(raw) > LARGEST:
        raise WeightsError(f"{where}: {len(raw)} bytes, far more than hyperparameters have")
    try:
        values: Any = json.loads(bytes(raw).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where}: is no valid JSON") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{where}: is no mapping of hyperparameters")
    told = {str(key).strip().replace("-", "_"): value for key, value in values.items()}
    algorithm = _choice(where, told, "algorithm", ALGORITHMS)
    backbone = _choice(where, told, "backbone", BACKBONES)
    facts = {
        "kind": "cloud training job",
        "origin": "gluoncv",
        "preset": f"{ALGORITHMS[algorithm]}_{BACKBONES[backbone]}_gluoncv",
        "said": f"algorithm {algorithm}, backbone {backbone}",
    }
    for key, least, most in (("num_classes", 1, 255), ("crop_size", 1, 1 << 16), ("base_size", 1, 1 << 16)):
        if told.get(key) not in (None, ""):
            facts[key] = str(_number(where, key, told[key], least, most))
            facts["said"] += f", {key} {facts[key]}"
    return facts


def _choice(where: str, told: dict[str, Any], key: str, known: dict[str, str]) -> str:
    value = told.get(key, DEFAULTS[key])
    name = str(value).strip().strip("\"'").lower().replace("_", "-")
    name = name if name in known else name.replace("resnet", "resnet-")
    if name not in known:
        raise WeightsError(f"{where}: {key} is {shown(value)}; the service's jobs have {', '.join(known)}")
    return name


def _number(where: str, key: str, value: Any, least: int, most: int) -> int:
    """Jobs write numbers as text."""
    try:
        number = int(str(value).strip().strip("\"'"))
    except ValueError:
        number = -1
    if isinstance(value, bool) or not least <= number <= most:
        raise WeightsError(f"{where}: {key} is {shown(value)}; expected a whole number from {least} to {most}")
    return number
