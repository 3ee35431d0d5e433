"""Shares of a batch, launchers' environments, and what several processes agree on; here they are threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from core.config import TrainConfig
from core.errors import ConfigError, DataError, TrainingError
from core.losses import OHEM, Bootstrapped, Cost, CrossEntropy, MixedSoftmax, Objective, Term
from core.losses.boundary import BoundaryCrossEntropy
from core.shard import Processes, Roles, Shard, Variables, agree
from core.split import check_split, describe
from core.training import step_seed

TORCHRUN = Variables("RANK", "WORLD_SIZE", ("MASTER_ADDR", "MASTER_PORT"), "torchrun")
PS_LITE = Roles("DMLC_ROLE", ("scheduler", "server", "worker"), "DMLC_NUM_WORKER", ("DMLC_PS_ROOT_PORT",), "all roles")


class Thread:
    """One of several processes, as a thread."""

    def __init__(self, rank: int, world: int, barrier: threading.Barrier, given: list[Any]) -> None:
        self.shard, self._barrier, self._given = Shard(rank, world), barrier, given

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        self._given[self.shard.rank] = array
        self._barrier.wait(20)
        found = list(self._given)
        self._barrier.wait(20)
        return found

    def sum(self, array: np.ndarray) -> np.ndarray:
        return np.asarray(np.sum(self.gather(array), axis=0))

    def leave(self) -> None: ...


def together(world: int, work: Callable[[Processes], Any]) -> list[Any]:
    """What each process comes to; an exception in its place."""
    barrier, given = threading.Barrier(world), [None] * world

    def one(rank: int) -> Any:
        try:
            return work(Thread(rank, world, barrier, given))
        except Exception as error:
            return error

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(one, range(world)))


@pytest.mark.parametrize(("count", "world"), [(5, 2), (5, 3), (4, 4), (2, 3), (0, 2), (8, 1)])
def test_shares_are_all_of_it_once_and_in_order(count: int, world: int) -> None:
    shares = [list(Shard(rank, world).share(count)) for rank in range(world)]
    assert [place for share in shares for place in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "0"}, "RANK is set, WORLD_SIZE is not; start with torchrun, or unset RANK"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is set, RANK is not"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2, WORLD_SIZE is 2"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "'one', no whole number"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "MASTER_PORT not"),
    ],
)
def test_half_an_environment_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TORCHRUN.read(environment)


def test_environments() -> None:
    assert TORCHRUN.read({}) == Shard()
    assert TORCHRUN.read({"MASTER_ADDR": "somebody"}) == Shard()
    assert TORCHRUN.read({"RANK": "0", "WORLD_SIZE": "1"}) == Shard()
    whole = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert TORCHRUN.read(whole) == Shard(1, 2)
    assert PS_LITE.read({}) == (None, 1)
    roles = {"DMLC_ROLE": "worker", "DMLC_NUM_WORKER": "2", "DMLC_PS_ROOT_PORT": "9000"}
    assert PS_LITE.read(roles) == ("worker", 2)
    for wrong in ({"DMLC_ROLE": "boss"}, {"DMLC_NUM_WORKER": "0"}, {"DMLC_PS_ROOT_PORT": ""}):
        with pytest.raises(ConfigError, match="environment: "):
            PS_LITE.read({**roles, **wrong})


def test_a_batch_too_small_to_split_is_refused() -> None:
    check_split(TrainConfig(batch_size=4, accumulation=2), 2)
    with pytest.raises(ConfigError, match=r"4 in 2 parts of 2, .* for 3 of them"):
        check_split(TrainConfig(batch_size=4, accumulation=2), 3)


def test_what_batch_norm_sees_is_said() -> None:
    assert "nothing is synchronised" in describe(Shard(), TrainConfig(batch_size=5))
    assert "2 or 3 pictures at a time; batch norm is over all 5" in describe(Shard(1, 2), TrainConfig(batch_size=5))
    assert "each process's own" in describe(Shard(0, 2), TrainConfig(sync_batch_norm=False))


def test_seeds_of_processes_differ_and_the_first_has_the_run_s() -> None:
    assert step_seed(3, 7, 0) == step_seed(3, 7)
    assert len({step_seed(3, 7, rank) for rank in range(4)}) == 4


def test_one_process_s_error_is_everybody_s() -> None:
    def work(processes: Processes) -> None:
        agree(processes, DataError("no such picture") if processes.shard.rank == 1 else None)

    found = together(3, work)
    assert isinstance(found[1], DataError)
    assert [str(found[rank]) for rank in (0, 2)] == ["process 1 of 3: no such picture"] * 2
    assert isinstance(found[0], TrainingError)
    assert together(2, lambda processes: agree(processes, None)) == [None, None]


WEIGHTS = (0.5, 2.0, 1.0, 1.5)


@pytest.mark.parametrize(
    "term",
    [
        CrossEntropy(class_weights=WEIGHTS),
        CrossEntropy(denominator="all", smoothing=0.1),
        MixedSoftmax(divided_by_batch=True),
        BoundaryCrossEntropy(balance="frequency"),
        OHEM(threshold=0.05, min_kept=17),
        OHEM(threshold=0.05, min_kept=17, class_weights=WEIGHTS, form="paddleseg"),
        OHEM(threshold=0.02, min_kept=3, form="mmseg", denominator="all"),
        OHEM(min_kept=1000),
        Bootstrapped(threshold=50.0, min_kept=13),
        Bootstrapped(threshold=0.5, min_kept=3),
    ],
    ids=repr,
)
def test_shares_and_parts_come_to_the_whole_batch(term: Term) -> None:
    """Two processes with 3 and 2 pictures in each of two parts; a tie, ignored pixels, a picture without labels."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (10, 1 if isinstance(term, BoundaryCrossEntropy) else 4, 3, 5))
    labels = rng.integers(0, 4, (10, 3, 5))
    labels[rng.random(labels.shape) < 0.3] = 255
    labels[6] = 255
    logits[8], labels[8] = logits[1], labels[1]
    value, gradient = term(logits, term.target(labels))

    def work(processes: Processes) -> tuple[float, list[np.ndarray], list[list[int]]]:
        share = processes.shard.share(5)
        own = [[part * 5 + i for i in share] for part in range(2)]
        objective = Objective([Cost(0, term)], [labels[places] for places in own], True, processes)
        objective.look([[logits[places]] for places in own])
        found = [objective([logits[places]], part) for part, places in enumerate(own)]
        return sum(values[0] for values, _ in found), [gradients[0] for _, gradients in found], own

    pieces = together(2, work)
    assert sum(part for part, _, _ in pieces) == pytest.approx(value, rel=1e-12)
    whole = np.empty_like(gradient)
    for _, gradients, own in pieces:
        for slope, places in zip(gradients, own):
            whole[places] = slope
    np.testing.assert_allclose(whole, gradient, atol=1e-14)
