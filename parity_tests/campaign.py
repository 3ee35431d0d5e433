"""Climbs the ladder for many networks: case by case, several at once, and again only where something has changed.

What a case gave is kept under build/parity by a key of all that it depends on: the case itself, the sources of this
project but those of families and backbones that it has no part of, the packages' versions and the processor.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from core.arch.backbones.base import BackboneSpec
from core.description import package_versions
from core.files import write_text
from parity_tests.cases import FULL, NARROW, TINY, Case
from parity_tests.ladder import REFERENCE, Fleet, Ladder, Outcome, pairs
from parity_tests.machine import processor
from parity_tests.rungs import RUNGS
from parity_tests.rungs.training import Training, divergence
from parity_tests.tolerances import Tolerance
from parity_tests.trace import layers, traced

ROOT = Path(__file__).resolve().parents[1]
KEPT = Path("build/parity")
SOURCES = ("core", "backends", "parity_tests")
# Folders with a file for each family, of which a case depends on its own alone and on what that imports.
APART = ("families", "backbones", "models")


@dataclass
class CaseFindings:
    """What one case gave. Curves and profiles by title."""

    case: str
    outcomes: list[Outcome] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    profiles: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    seconds: float = 0.0
    kept: bool = False  # from an earlier run

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> CaseFindings:
        """Raises ValueError, KeyError or TypeError for a text that is none."""
        fields = json.loads(text)
        outcomes = [Outcome(**{**o, "tolerance": Tolerance(**o["tolerance"])}) for o in fields.pop("outcomes")]
        return cls(**{**fields, "outcomes": outcomes, "kept": True})


def plan(quick: bool) -> list[tuple[Case, tuple[str, ...]]]:
    """The cases and the rungs each is asked of, the longest first."""
    per_case = tuple(name for name, rung in RUNGS.items() if rung.per_case)
    once = tuple(name for name, rung in RUNGS.items() if not rung.per_case)
    found = [(case, (*once, *per_case) if case is TINY[0] else per_case) for case in TINY]
    if not quick:
        found += [(case, ("1 parameters", "2 forward")) for case in FULL]
        found += [(case, ("1 parameters", "2 forward", "4 backward")) for case in NARROW]
    return found


def climb(backends: Sequence[str], *, quick: bool, jobs: int, fresh: bool = False) -> Iterator[CaseFindings]:
    """Yields each case's findings as they are there; `fresh` asks again for all of them."""
    waiting = []
    for case, rungs in plan(quick):
        key = _key(case, rungs, backends)
        kept = None if fresh else _kept(key)
        if kept is not None:
            yield kept
        else:
            waiting.append((case, rungs, key))
    if not waiting:
        return
    # spawn: a forked child would share this process's pipes to its workers
    with ProcessPoolExecutor(jobs, get_context("spawn"), _open_fleet, (tuple(backends),)) as pool:
        running = {pool.submit(_climb_case, case, rungs): key for case, rungs, key in waiting}
        for future in as_completed(running):
            found = future.result()
            KEPT.mkdir(parents=True, exist_ok=True)
            write_text(KEPT / f"{running[future]}.json", found.to_text())
            yield found


_fleet: Fleet | None = None  # of a process of the pool
_closing = ExitStack()


def _open_fleet(backends: tuple[str, ...]) -> None:
    global _fleet
    _fleet = _closing.enter_context(Fleet(backends))


def _climb_case(case: Case, rungs: tuple[str, ...]) -> CaseFindings:
    assert _fleet is not None
    start, names = time.perf_counter(), _fleet.present()
    found, ladder = CaseFindings(case.name), Ladder(_fleet)
    for rung in (RUNGS[name] for name in rungs):
        if rung.name != "9 checkpoints":  # that one is a conversation
            ladder.prepare(rung, case, ([REFERENCE] if rung.has_reference else []) + names)
        found.outcomes += [outcome for pair in pairs(rung, names) for outcome in ladder.climb(rung, case, *pair)]
        if isinstance(rung, Training):
            found.curves = _curves(rung, ladder, case, names)
        if rung.name == "4 backward" and case.thorough:
            found.profiles = _profiles(_fleet, case, names)
    found.seconds = time.perf_counter() - start
    return found


def _curves(rung: Training, ladder: Ladder, case: Case, names: list[str]) -> dict[str, list[float]]:
    """The divergence of every pair's losses in float32, and of each framework's from its own by one ulp."""
    losses = {name: ladder.collected(rung, name, case)["losses, float32"]["losses"] for name in names}
    found = {f"{a} – {b}": divergence(losses[a], losses[b]).tolist() for a, b in pairs(RUNGS["2 forward"], names)}
    for name in names:
        found[f"{name}, one ulp"] = rung.self_divergence(ladder, case, name).tolist()
    return found


def _profiles(fleet: Fleet, case: Case, names: list[str]) -> dict[str, list[tuple[str, float]]]:
    """The relative difference of every submodule's output in training mode, by pair and dtype."""
    found = {}
    for dtype in ("float64", "float32"):
        sides = {name: traced(fleet.get(name), case, dtype=dtype, train=True) for name in names}
        for first, second in pairs(RUNGS["2 forward"], names):
            profile = [(layer.name, layer.given.relative) for layer in layers(sides[first], sides[second])]
            found[f"{first} – {second}, {dtype}"] = profile
    return found


def _kept(key: str) -> CaseFindings | None:
    """What an earlier run gave for this key, if nothing in it was beyond tolerance."""
    try:
        found = CaseFindings.read((KEPT / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(outcome.ok for outcome in found.outcomes) else None


def _key(case: Case, rungs: Sequence[str], backends: Sequence[str]) -> str:
    spec = case.spec()
    own = {type(spec).__module__.rpartition(".")[2], spec.arch}
    backbone = getattr(spec, "backbone", None)
    if isinstance(backbone, BackboneSpec):
        own |= {backbone.family, type(backbone).__module__.rpartition(".")[2]}
    text = hashlib.sha256()
    for path in _sources(frozenset(own)):
        text.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    facts = (repr(case), repr(spec), sorted(rungs), sorted(backends), sorted(package_versions().items()), processor())
    text.update(repr(facts).encode())
    return text.hexdigest()[:32]


@cache
def _sources(own: frozenset[str]) -> list[Path]:
    """All files but those of other families and backbones."""
    everything = sorted(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    apart = {path for path in everything if path.parent.name in APART and path.stem != "__init__"}
    needed: set[Path] = set()
    waiting = [path for path in apart if path.stem in own]
    while waiting:
        path = waiting.pop()
        if path not in needed:
            needed.add(path)
            waiting += [other for other in _imports(path) if other in apart]
    return [path for path in everything if path not in apart or path in needed]


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """The files of this project that a file imports from, by its import statements."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return tuple(ROOT / f"{module.replace('.', '/')}.py" for module in modules if module.split(".")[0] in SOURCES)


def frameworks(backends: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """{backend: framework and version} of those that start, and {backend: why not} of the others."""
    with Fleet(backends) as fleet:
        names = fleet.present()
        return {name: str(getattr(fleet.get(name), "framework", name)) for name in names}, dict(fleet.missing)
