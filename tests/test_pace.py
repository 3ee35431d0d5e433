"""Speed, waiting and time left, on a clock that is told what time it is."""

from __future__ import annotations

import pytest

from core.config import TrainConfig
from core.pace import Lap, Pace, duration
from core.training import _validations_after


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waiting_and_validations_are_told_apart() -> None:
    clock = Clock()
    pace = Pace(10, 50, 8, lambda done: 2, clock)
    for _ in range(4):
        with pace.waiting():
            clock.now += 3
        clock.now += 1
    with pace.apart(validation=True):
        clock.now += 20
    lap = pace.lap(14)
    assert (lap.iterations, lap.pictures, lap.seconds, lap.waited) == (4, 32, 16, 12)
    assert lap.waiting == 0.75
    assert lap.rate == 2
    assert lap.left == 36 * 4 + 2 * 20
    assert str(lap) == "2.0 pictures/s, the loader is the bottleneck: 75 % waiting, 3 min 4 s left"
    clock.now += 5
    assert pace.lap(15).seconds == 5  # a lap starts where the last one ended
    assert "bottleneck" not in str(Lap(1, 8, 1.0, 0.2, 10.0))
    assert "20 % waiting" in str(Lap(1, 8, 1.0, 0.2, 10.0))


def test_a_wait_that_fails_is_counted() -> None:
    clock = Clock()
    pace = Pace(0, 5, 1, lambda done: 0, clock)

    def fail() -> None:
        with pace.waiting():
            clock.now += 7
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        fail()
    assert pace.lap(1).waited == 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("interval", "iteration", "left"),
    [(0, 0, 1), (0, 7, 1), (5, 0, 3), (5, 5, 2), (5, 9, 2), (5, 10, 1), (5, 12, 0), (6, 0, 2)],
)
def test_the_validations_still_to_come(interval: int, iteration: int, left: int) -> None:
    options = TrainConfig(iterations=12, eval_interval=interval)
    due = [i for i in range(iteration + 1, 13) if i == 12 or (interval and i % interval == 0)]
    assert _validations_after(options, iteration) == left == len(due)
