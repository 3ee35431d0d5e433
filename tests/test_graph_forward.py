"""When a network runs as a graph, and that a graph which fails or differs is never believed."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.graphs import AFTER, KEPT, SWITCH, Forward, GraphForward


class Network:
    """Doubles its input, and counts how often it is asked, plainly or by graphs; `fault` is added by graphs."""

    def __init__(self, fault: float = 0.0) -> None:
        self.fault, self.plainly, self.by_graph, self.compiled = fault, 0, 0, 0

    def plain(self, images: np.ndarray) -> np.ndarray:
        self.plainly += 1
        return 2 * images

    def compile(self, shape: tuple[int, ...]) -> Forward:
        self.compiled += 1

        def graph(images: np.ndarray) -> np.ndarray:
            assert images.shape == shape
            self.by_graph += 1
            return 2 * images + self.fault

        return graph


@pytest.fixture(autouse=True)
def graphs_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)


def picture(height: int = 4) -> np.ndarray:
    return np.linspace(-1, 1, 3 * height * 5, dtype=np.float32).reshape(1, 3, height, 5)


def test_a_shape_that_comes_again_gets_a_graph_and_one_that_does_not_stays_plain() -> None:
    network = Network()
    forward = GraphForward(network.plain, network.compile)
    for height in range(4, 14):
        forward(picture(height))
    assert network.compiled == 0
    for _ in range(AFTER + 5):
        np.testing.assert_array_equal(forward(picture(4)), 2 * picture(4))
    assert (network.compiled, network.plainly) == (1, 10 + AFTER)
    assert network.by_graph == 1 + 5


def test_only_so_many_graphs_are_kept() -> None:
    network = Network()
    forward = GraphForward(network.plain, network.compile)
    heights = range(4, 4 + KEPT + 3)
    for height in heights:
        for _ in range(AFTER + 1):
            forward(picture(height))
    assert [forward.has((1, 3, height, 5)) for height in heights] == [False] * 3 + [True] * KEPT


@pytest.mark.parametrize(
    ("fault", "said"), [(0.001, "its logits are 0.001 off, of 2"), (float("nan"), "its logits are nan off, of 2")]
)
def test_a_graph_that_differs_is_not_used_and_that_is_said_once(
    fault: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(fault)
    forward = GraphForward(network.plain, network.compile)
    for height in (4, 6):
        for _ in range(AFTER + 3):
            np.testing.assert_array_equal(forward(picture(height)), 2 * picture(height))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "without a graph" in lines[0]
    assert said in lines[0]
    assert network.compiled == 1


def test_a_graph_that_cannot_be_made_or_has_another_shape_leaves_the_network_plain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(shape: tuple[int, ...]) -> Forward:
        raise RuntimeError("Traceback:\n  File graph.cc\nno such operator\n")

    for compile, said in ((fails, "no such operator"), (lambda shape: lambda images: images[:, :1], "it gives [1, 1")):
        forward = GraphForward(Network().plain, compile)
        for _ in range(AFTER + 3):
            np.testing.assert_array_equal(forward(picture()), 2 * picture())
        assert said in capsys.readouterr().err


def test_an_input_whose_logits_are_nan_proves_nothing() -> None:
    network = Network()
    forward = GraphForward(network.plain, network.compile)
    for _ in range(AFTER + 2):
        assert np.isnan(forward(np.full((1, 3, 4, 5), np.nan, np.float32))).all()
    assert network.compiled == 0
    forward(picture())
    assert forward.has((1, 3, 4, 5))


def test_the_switch_turns_graphs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    network = Network()
    forward = GraphForward(network.plain, network.compile)
    for _ in range(AFTER + 4):
        forward(picture())
    assert network.compiled == 0


def test_the_next_way_is_asked_where_one_differs(capsys: pytest.CaptureFixture[str]) -> None:
    wrong, right = Network(0.5), Network()
    forward = GraphForward(right.plain, wrong.compile, right.compile)
    for height in (4, 6):
        for _ in range(AFTER + 3):
            np.testing.assert_array_equal(forward(picture(height)), 2 * picture(height))
    assert (wrong.compiled, right.compiled) == (1, 2)
    assert forward.has((1, 3, 4, 5))
    assert capsys.readouterr().err == ""
