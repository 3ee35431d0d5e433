"""The `loss` section: its short form, its list of terms, and what they come to for a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from core.arch.spec import OutputSpec, Spec
from core.errors import ConfigError
from core.losses.boundary import BoundaryCrossEntropy
from core.losses.class_weights import ClassCounts, ClassWeights, class_weights
from core.losses.cross_entropy import CrossEntropy, NegativeLogLikelihood
from core.losses.mining import OHEM
from core.losses.term import Denominator, Term, WeightedTerm, check_class_weights
from core.ranges import Checked, Range, When
from core.schema import nearest

Weight = Annotated[float, Range(0)]
_SHORT = When("terms", ())  # what a list of terms makes idle


@dataclass(frozen=True)
class LossConfig(Checked):
    """What is minimised: the weighted sum of the costs of all outputs.

    Short form: kind: `cross_entropy`, or `ohem` for the main output (threshold, min_kept); every other output has the
    cross-entropy, a boundary the binary one. auxiliary_weight: of every output after the main one that gives classes,
    or a list with one weight per output after the main one; by default the weights of the network's spec.
    class_weights: of all outputs that give classes, one
    per class or a rule (core.losses.class_weights). denominator: see core.losses.term.divisor.
    Long form: terms: a list of core.losses' terms by `kind`, `output` and `weight`, instead of all that.
    """

    kind: Annotated[Literal["cross_entropy", "ohem"], _SHORT] = "cross_entropy"
    auxiliary_weight: Annotated[float | tuple[Weight, ...] | None, Range(0), _SHORT] = None
    class_weights: Annotated[ClassWeights | None, _SHORT] = None
    denominator: Annotated[Denominator, _SHORT] = "valid"
    threshold: Annotated[float, Range(0, 1), When("kind", "ohem")] = 0.7
    min_kept: Annotated[int, Range(0), When("kind", "ohem")] = 100_000
    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        check_class_weights(self.class_weights)

    def needs_counts(self) -> bool:
        """Whether class weights are to be made of the training set's labels."""
        weights = [self.class_weights, *(getattr(term, "class_weights", None) for term in self.terms)]
        return any(isinstance(given, str) for given in weights)


@dataclass(frozen=True)
class Cost:
    """A term, and the position of its output in what the network returns."""

    output: int
    term: Term


def resolve_terms(spec: Spec, config: LossConfig, counts: ClassCounts | None = None) -> tuple[Cost, ...]:
    """What each output of the network costs. Raises ConfigError where the terms and the network do not fit.

    counts: of the training set, where the configuration needs them; without them such weights stay to be made.
    """
    return resolve_outputs(spec.outputs(), spec.num_classes, config, counts)


def resolve_outputs(
    outputs: Sequence[OutputSpec], num_classes: int, config: LossConfig, counts: ClassCounts | None = None
) -> tuple[Cost, ...]:
    """The same for outputs, main one first."""
    terms = config.terms or _short_form(outputs, config)
    names = [output.name for output in outputs]
    costs = []
    for i, term in enumerate(terms):
        where = f"loss.terms[{i}]" if config.terms else "loss"
        if term.output not in names:
            raise ConfigError(
                f"{where}.output: the network has no output {term.output!r}.{nearest(term.output, names)}"
            )
        index = names.index(term.output)
        _check_fit(where, term, outputs[index], num_classes)
        if isinstance(term, WeightedTerm) and isinstance(term.class_weights, str) and counts is not None:
            term = replace(term, class_weights=class_weights(term.class_weights, counts))
        costs.append(Cost(index, term))
    for index, name in enumerate(names):
        if not any(cost.output == index for cost in costs):
            raise ConfigError(
                f"loss.terms: output {name!r} has no term; one of weight 0 says that it shall cost nothing"
            )
    return tuple(costs)


def _check_fit(where: str, term: Term, output: OutputSpec, num_classes: int) -> None:
    if output.kind not in term.reads:
        raise ConfigError(
            f"{where}.kind: {term.kind!r} takes {' or '.join(term.reads)}, the network's output {output.name!r} gives "
            f"{output.kind}"
        )
    weights = getattr(term, "class_weights", None)
    if isinstance(weights, tuple) and len(weights) != num_classes:
        raise ConfigError(f"{where}.class_weights has {len(weights)} values, the network {num_classes} outputs")


def _short_form(outputs: Sequence[OutputSpec], config: LossConfig) -> list[Term]:
    weights = _short_weights(outputs, config.auxiliary_weight)
    terms: list[Term] = []
    for i, (output, weight) in enumerate(zip(outputs, weights)):
        if output.kind == "boundary":
            terms.append(BoundaryCrossEntropy(output.name, weight))
        elif i == 0 and config.kind == "ohem":
            mining = OHEM(output.name, weight, class_weights=config.class_weights)
            terms.append(replace(mining, threshold=config.threshold, min_kept=config.min_kept))
        else:
            plain = NegativeLogLikelihood if output.kind == "log_probabilities" else CrossEntropy
            per_class, denominator = config.class_weights, config.denominator
            terms.append(plain(output.name, weight, class_weights=per_class, denominator=denominator))
    return terms


def _short_weights(outputs: Sequence[OutputSpec], given: float | tuple[float, ...] | None) -> list[float]:
    if isinstance(given, tuple):
        others = [output.name for output in outputs[1:]]
        if len(given) != len(others):
            what = f"{len(given)} weights for {len(others)} outputs after the main one"
            raise ConfigError(f"loss.auxiliary_weight: {what} ({', '.join(others) or 'none'})")
        return [outputs[0].weight, *given]
    return [
        output.weight if given is None or i == 0 or output.kind == "boundary" else given
        for i, output in enumerate(outputs)
    ]
