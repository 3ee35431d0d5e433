"""What wrappers put before the names of a network's tensors: taken off, and said.

`torch.compile`, FSDP and activation checkpointing insert a module of a name that no network uses, at any depth.
DataParallel, DDP and the averaged models that training scripts keep put `module.` before every name. A training
framework's module (Lightning, a script's own) holds the network as an attribute, `model.` or `net.`: such a name can
also be the network's own, so that one is tried only where the names as they stand fit nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from core.errors import WeightsError
from core.tensors import Tensors, listing
from weights_convert.matching import NoFit, SeveralFit

Read = TypeVar("Read")

# torch.compile, FSDP, activation checkpointing, Fabric.
WRAPPING_MODULES = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
PARALLEL = "module."
# Numbers that averaged models keep beside the names they put `module.` before.
AVERAGE_COUNTERS = frozenset({"n_averaged", "steps", "num_updates", "decay"})
ATTRIBUTES = ("model.", "net.", "network.", "_model.", "segmentor.", "student.", "generator.")


def without_wrappers(tensors: Tensors) -> Tensors:
    """The tensors without the names of wrapping modules, and with notes on what was taken off.

    Raises WeightsError if two tensors would get the same name.
    """
    inserted = sorted({part for name in tensors for part in name.split(".")[:-1]} & WRAPPING_MODULES)
    if inserted:
        tensors = _noted(
            tensors.renamed(_without_wrapping_modules, "taking the wrapping modules out of the names"),
            f"taken out of the names: {', '.join(inserted)}, which a wrapper put there",
        )
    while True:
        counters = [name for name in tensors if name in AVERAGE_COUNTERS]
        others = [name for name in tensors if name not in AVERAGE_COUNTERS]
        if not others or not all(name.startswith(PARALLEL) for name in others):
            return tensors
        if counters:
            tensors = _noted(_only(tensors, others), f"left out, counters of an averaged model: {listing(counters)}")
        tensors = _noted(tensors.strip_prefix(PARALLEL), f"taken off all names: {PARALLEL!r}")


def _without_wrapping_modules(name: str) -> str:
    *path, last = name.split(".")
    return ".".join([*(part for part in path if part not in WRAPPING_MODULES), last])


def without_attribute(tensors: Tensors) -> Iterator[Tensors]:
    """The tensors below each attribute that a training script may have kept the network under."""
    for prefix in ATTRIBUTES:
        inside = [name for name in tensors if name.startswith(prefix)]
        if not inside:
            continue
        outside = [name for name in tensors if not name.startswith(prefix)]
        found = _noted(_only(tensors, inside).strip_prefix(prefix), f"taken off the names: {prefix!r}")
        if outside:
            found = _noted(found, f"left out, because they are not under {prefix!r}: {listing(outside)}")
        yield without_wrappers(found)


def read_unwrapped(tensors: Tensors, where: str, read: Callable[[Tensors], Read]) -> tuple[Tensors, Read]:
    """What `read` makes of the tensors, as they are named or below the one attribute under which they fit.

    Raises what `read` raises: of several NoFit the one that came nearest; WeightsError if several attributes fit.
    """
    try:
        return tensors, read(tensors)
    except NoFit as error:
        nearest = error
    fitting = []
    for candidate in without_attribute(tensors):
        try:
            fitting.append((candidate, read(candidate)))
        except SeveralFit:
            raise
        except NoFit as error:
            nearest = error if error.matched > nearest.matched else nearest
    if not fitting:
        raise nearest
    if len(fitting) > 1:
        named = " and ".join(sorted({prefix for prefix in ATTRIBUTES if any(n.startswith(prefix) for n in tensors)}))
        raise WeightsError(
            f"{where}: holds several networks that fit, under {named}; save the one that is meant in a file of its own"
        )
    return fitting[0]


def _only(tensors: Tensors, names: list[str]) -> Tensors:
    return replace(
        tensors,
        arrays={name: tensors.arrays[name] for name in names},
        name_table={name: tensors.name_table[name] for name in names if name in tensors.name_table},
        roles={name: tensors.roles[name] for name in names if name in tensors.roles},
    )


def _noted(tensors: Tensors, note: str) -> Tensors:
    return replace(tensors, notes=[*tensors.notes, note])
