"""What each output costs: the configuration's short form, its terms, targets made of labels, class weights by rule."""

from __future__ import annotations

import numpy as np
import pytest

from core.arch import PRESETS
from core.arch.spec import OutputSpec
from core.config import Config, dump_config, load_config
from core.data.boundaries import boundaries
from core.errors import ConfigError
from core.losses import (
    OHEM,
    BoundaryCrossEntropy,
    Cost,
    CrossEntropy,
    NegativeLogLikelihood,
    class_weights,
    count_classes,
    resize_labels,
    resolve_outputs,
    resolve_terms,
)

OUTPUTS = (
    OutputSpec("main"),
    OutputSpec("edges", "boundary", weight=2.0),
    OutputSpec("spatial", "log_probabilities", weight=0.3),
    OutputSpec("context", weight=0.16),
)


def resolve(text: str, outputs: tuple[OutputSpec, ...] = OUTPUTS, classes: int = 3) -> tuple[Cost, ...]:
    return resolve_outputs(outputs, classes, load_config(text=f"loss: {text}").loss)


def test_every_output_has_a_cost_by_default() -> None:
    assert resolve("{}") == (
        Cost(0, CrossEntropy("main")),
        Cost(1, BoundaryCrossEntropy("edges", 2.0)),
        Cost(2, NegativeLogLikelihood("spatial", 0.3)),
        Cost(3, CrossEntropy("context", 0.16)),
    )


def test_short_form() -> None:
    weights = (1.0, 2.0, 3.0)
    assert resolve("{kind: ohem, threshold: 0.6, min_kept: 9, auxiliary_weight: 0.4, class_weights: [1, 2, 3]}") == (
        Cost(0, OHEM("main", class_weights=weights, threshold=0.6, min_kept=9)),
        Cost(1, BoundaryCrossEntropy("edges", 2.0)),  # no auxiliary classes
        Cost(2, NegativeLogLikelihood("spatial", 0.4, class_weights=weights)),
        Cost(3, CrossEntropy("context", 0.4, class_weights=weights)),
    )
    costs = resolve("{denominator: all, auxiliary_weight: [1, 0.5, 0]}")
    assert [cost.term.weight for cost in costs] == [1.0, 1.0, 0.5, 0.0]
    assert costs[0].term == CrossEntropy(denominator="all")


def test_networks_weigh_their_auxiliary_heads() -> None:
    spec = PRESETS["fast_scnn_aux"].spec
    assert [o.name for o in spec.outputs()] == ["main", "auxiliary.0"]
    assert [cost.term.weight for cost in resolve_terms(spec, Config().loss)] == [1.0, 0.4]
    assert len(resolve_terms(spec.for_inference(), Config().loss)) == 1


@pytest.mark.parametrize(
    ("preset", "weights"),
    [
        ("bisenet_resnet18_mmseg", [1.0, 1.0, 1.0]),
        ("icnet_resnet50_fastseg", [1.0, 0.4, 0.16]),  # cascade label guidance, as the paper weighs it
        ("icnet_resnet50_gluoncv", [1.4, 0.4, 1.0]),  # two of its four outputs are one map
    ],
)
def test_networks_weigh_their_outputs_as_the_originals_do(preset: str, weights: list[float]) -> None:
    assert [cost.term.weight for cost in resolve_terms(PRESETS[preset].spec, Config().loss)] == weights


def test_terms_are_written_out_and_read_back() -> None:
    text = """
    terms:
    - {kind: ohem, form: mmseg, min_kept: 100, denominator: all}
    - {kind: dice, weight: 0.5}
    - {kind: boundary, output: edges, radius: 2, balance: frequency}
    - {kind: cross_entropy, output: spatial, at: logits, class_weights: median_frequency}
    - {kind: mixed_softmax, output: context}
    """
    config = load_config(text="loss:" + text)
    assert load_config(text=dump_config(config)) == config
    costs = resolve_outputs(OUTPUTS, 3, config.loss)
    assert [(cost.output, cost.term.kind) for cost in costs] == [
        *((0, "ohem"), (0, "dice"), (1, "boundary"), (2, "cross_entropy"), (3, "mixed_softmax"))
    ]
    assert config.loss.needs_counts()
    counts = count_classes([np.array([0, 0, 1, 2])], 3)
    weighted = resolve_outputs(OUTPUTS, 3, config.loss, counts)[3].term
    assert isinstance(weighted, CrossEntropy)
    assert weighted.weights == (0.5, 1.0, 1.0)
    assert isinstance(costs[3].term, CrossEntropy)
    with pytest.raises(ConfigError, match="median_frequency needs the labels"):
        costs[3].term.measure(np.zeros((1, 2, 2), np.int64))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{terms: [{kind: dise}]}", "dise.*Did you mean 'dice'"),
        ("{terms: [{output: main}]}", "lacks 'kind'"),
        ("{terms: [{kind: dice, output: mian}]}", r"terms\[0\].output: the network has no output 'mian'.*main"),
        ("{terms: [{kind: dice}]}", "output 'edges' has no term"),
        ("{terms: [{kind: dice, output: edges}]}", r"terms\[0\].kind: 'dice' takes classes.*'edges' gives boundary"),
        ("{terms: [{kind: boundary}]}", "'boundary' takes boundary.*'main' gives classes"),
        ("{terms: [{kind: nll}]}", "'nll' takes log_probabilities"),
        ("{terms: [{kind: focal, class_weights: [1, 2]}]}", r"terms\[0\].class_weights has 2 values.*3 outputs"),
        ("{terms: [{kind: focal, gamma: -1}]}", "gamma"),
        ("{terms: [{kind: dice}], auxiliary_weight: 0.3}", "auxiliary_weight"),
        ("{auxiliary_weight: [1, 2]}", "2 weights for 3 outputs after the main one"),
        ("{auxiliary_weight: -1}", "out of range"),
        ("{auxiliary_weight: [1, 2, -1]}", "out of range"),
        ("{class_weights: [1, 2]}", "loss.class_weights has 2 values"),
        ("{class_weights: median}", "'median_frequency'"),
        ("{class_weights: [0, 0, 0]}", "at least one must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(text)


def test_boundaries() -> None:
    labels = np.array([[[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 255, 1], [0, 0, 0, 255, 255]]])
    expected = [[[0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 1, 255, 0], [0, 0, 0, 255, 255]]]
    np.testing.assert_array_equal(boundaries(labels), expected)
    wider = [[[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 1, 1, 255, 1], [0, 1, 1, 255, 255]]]
    np.testing.assert_array_equal(boundaries(labels, radius=2), wider)
    assert not boundaries(np.full((1, 3, 4), 254))[0].any()
    np.testing.assert_array_equal(boundaries(np.full((1, 3, 4), 255)), np.full((1, 3, 4), 255))


@pytest.mark.parametrize("radius", [1, 3])
def test_boundaries_by_definition(radius: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.repeat(rng.choice([0, 7, 254, 255], (2, 3, 4)), 4, axis=1), 5, axis=2)
    found = boundaries(labels, radius)
    for n, row, column in np.ndindex(*labels.shape):
        around = labels[n, max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
        own = labels[n, row, column]
        others = np.setdiff1d(around, [own, 255])
        assert found[n, row, column] == (255 if own == 255 else others.size > 0)


def test_labels_are_resized_to_where_logits_lie() -> None:
    labels = np.arange(9)[None, None] * np.ones((1, 3, 1), np.int64)
    assert resize_labels(labels, (3, 9), True) is labels
    np.testing.assert_array_equal(resize_labels(labels, (1, 3), True)[0, 0], [0, 4, 8])
    np.testing.assert_array_equal(resize_labels(labels, (1, 3), False)[0, 0], [1, 4, 7])
    np.testing.assert_array_equal(resize_labels(labels, (1, 4), True)[0, 0], [0, 3, 5, 8])
    np.testing.assert_array_equal(resize_labels(labels, (1, 1), False)[0, 0], [4])


def test_class_weights() -> None:
    counts = count_classes([np.array([[0, 0, 0, 1]]), np.array([[2, 0, 255, 255]], np.uint8)], 4)
    np.testing.assert_array_equal(counts.pixels, [4, 1, 1, 0])
    np.testing.assert_array_equal(counts.around, [6, 4, 2, 0])
    assert class_weights("median_frequency", counts) == pytest.approx([0.5 / (4 / 6), 0.5 / (1 / 4), 0.5 / (1 / 2), 0])
    assert class_weights("enet", counts) == pytest.approx(1 / np.log(1.02 + np.array([4, 1, 1, 0]) / 6))
    with pytest.raises(ConfigError, match="labelled pixels"):
        class_weights("enet", count_classes([np.full((2, 2), 255)], 4))
    with pytest.raises(ConfigError, match="class 5"):
        count_classes([np.array([5])], 4)
