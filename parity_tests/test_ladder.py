"""The ladder, over all architectures and pairs of backends."""

from __future__ import annotations

from itertools import combinations

import pytest
from _pytest.mark import ParameterSet

from core.description import backend_names
from parity_tests.cases import NARROW, TINY, Case
from parity_tests.conftest import require
from parity_tests.ladder import REFERENCE, Ladder, Outcome, Rung, pairs
from parity_tests.rungs import RUNGS
from parity_tests.trace import first_divergence, traced

LONG = ("5 optimizers", "8 training", "9 checkpoints")  # of these, a few networks that stand for all in the fast run
# Of the longest, a convolutional network and a transformer.
TRAINED = ("espnet_tiny", "setr_naive_tiny")
# Of these, the originals' narrow variants too; in the fast run, of the second, those of the same few.
NARROWED = ("2 forward", "4 backward")


def _parameters() -> list[ParameterSet]:
    found = []
    for rung in RUNGS.values():
        cases: tuple[Case, ...] = TINY if rung.per_case else TINY[:1]
        if rung.name in NARROWED:
            cases += NARROW
        for case in cases:
            slow = (rung.name in LONG or case in NARROW) and not case.long
            slow = slow or (case in NARROW and rung.name == "2 forward")
            slow = slow or (rung.name == "8 training" and case.name not in TRAINED)
            marks = [pytest.mark.slow] if slow else []
            title = f"{rung.name}-{case.name}" if rung.per_case else rung.name
            for first, second in pairs(rung, backend_names()):
                found.append(pytest.param(rung, case, first, second, id=f"{title}-{first}-{second}", marks=marks))
    return found


def explain(ladder: Ladder, outcomes: list[Outcome], case: Case) -> str:
    """The outcomes, and of a forward or backward pass that differs, the first submodule that does."""
    lines = [str(outcome) for outcome in outcomes]
    worst = next(outcome for outcome in outcomes if not outcome.ok)
    if worst.rung in ("2 forward", "4 backward"):
        train = worst.rung == "4 backward"
        sides = [traced(ladder.fleet.get(name), case, train=train) for name in (worst.first, worst.second)]
        found = first_divergence(sides[0], sides[1], 1e-9)
        passing = "every submodule's output agrees in the forward pass: the difference arises in the backward pass"
        lines.append(passing if found is None else found.describe(worst.first, worst.second))
    return "\n".join(lines)


@pytest.mark.parametrize(("rung", "case", "first", "second"), _parameters())
def test_rung(ladder: Ladder, rung: Rung, case: Case, first: str, second: str) -> None:
    require(ladder.fleet, first, second)
    if rung.name != "9 checkpoints":
        ladder.prepare(
            rung, case, [REFERENCE, *ladder.fleet.present()] if rung.has_reference else ladder.fleet.present()
        )
    outcomes = ladder.climb(rung, case, first, second)
    assert outcomes
    if not all(outcome.ok for outcome in outcomes):
        pytest.fail(explain(ladder, outcomes, case), pytrace=False)


def test_every_architecture_is_on_every_rung() -> None:
    from core.arch import ARCHITECTURES

    assert {case.spec().arch for case in TINY} == set(ARCHITECTURES)
    kinds = {p.kind for case in TINY for p in case.spec().parameters()}
    assert {p.kind for case in TINY if case.long for p in case.spec().parameters()} == kinds
    assert len(list(combinations(backend_names(), 2))) == len(pairs(RUNGS["2 forward"], backend_names()))
