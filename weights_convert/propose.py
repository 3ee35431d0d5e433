"""A map of names between two networks, proposed by structure and shape: `python -m weights_convert map`.

Tensors make layers (names without their last component), whose kind and shapes are a signature: the same in every
framework, fully connected layers either way round. A layer whose signature stands once on both sides is certain.
Those of one signature are told apart by what surrounds them: the scopes that certain layers say belong together, the
order in which they stand, and words and numbers that names share. What stays as likely as another is said, with hints.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.errors import WeightsError
from weights_convert.name_map import UNDECIDED, NameMap, Pair

Shape = tuple[int, ...]
# The last component of a name -> what it is. Paddle's static graph numbers them: w_0, b_0, and w_1, w_2 of a norm.
ROLES = {
    **dict.fromkeys(("weight", "weights", "gamma", "scale", "w_0", "kernel", "_weight", "alpha"), "weight"),
    **dict.fromkeys(("bias", "biases", "beta", "offset", "b_0"), "bias"),
    **dict.fromkeys(("running_mean", "moving_mean", "_mean", "mean", "w_1"), "mean"),
    **dict.fromkeys(
        ("running_var", "moving_var", "moving_variance", "_variance", "variance", "var", "w_2"), "variance"
    ),
}
COUNTERS = ("num_batches_tracked",)
WORDS = re.compile(r"[a-z]+|\d+")
EVEN = 0.03  # two candidates whose scores differ by less are as likely
MOST_HINTS = 5


@dataclass(frozen=True)
class Layer:
    """A layer's path, and its tensors by role: their names and shapes. `place`: where it stands in the file."""

    path: str
    tensors: Mapping[str, tuple[str, Shape]]
    place: int

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Kind and shapes; the sides of a matrix in either order."""
        shapes = {role: tuple(sorted(s)) if len(s) == 2 else s for role, (_, s) in self.tensors.items()}
        return tuple(sorted(shapes.items()))

    @cached_property
    def scopes(self) -> list[str]:
        parts = self.path.split(".")
        return [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]

    @cached_property
    def words(self) -> Counter[str]:
        return Counter(WORDS.findall(self.path.lower()))


def layers_of(shapes: Mapping[str, Shape]) -> list[Layer]:
    """The layers of a network, in the order of its names; counters are left out."""
    found: dict[str, dict[str, tuple[str, Shape]]] = {}
    for name, shape in shapes.items():
        path, role = _split(name)
        if role in COUNTERS:
            continue
        if role in found.get(path, {}):
            path, role = name, "weight"
        found.setdefault(path, {})[role] = (name, shape)
    return [Layer(path, tensors, place) for place, (path, tensors) in enumerate(found.items())]


def _split(name: str) -> tuple[str, str]:
    """Path and role: `a.b.weight`, or `conv0_weight` as Gluon's symbols call it."""
    path, _, leaf = name.rpartition(".")
    if leaf in ROLES or leaf in COUNTERS:
        return path, ROLES.get(leaf, leaf)
    for suffix in sorted(ROLES, key=len, reverse=True):
        if name.endswith(f"_{suffix.lstrip('_')}"):
            return name[: -len(suffix.lstrip("_")) - 1].replace("_", "."), ROLES[suffix]
    return path, leaf


def parse_hints(hints: Sequence[str]) -> dict[str, str]:
    """`SCOPE=SCOPE`. Raises WeightsError."""
    found = {}
    for hint in hints:
        left, equals, right = hint.partition("=")
        if not equals or not left or not right:
            raise WeightsError(f"--hint {hint}: expected SCOPE=SCOPE, such as backbone.layer1=stage1")
        found[left] = right
    return found


@dataclass
class Proposal:
    """The map, the targets that nothing is mapped to, and how many pairs are how sure."""

    names: NameMap
    unfilled: list[str]

    def lines(self) -> list[str]:
        decided = [pair for pair in self.names.pairs.values() if pair.to != UNDECIDED]
        certain = sum(pair.sure >= 1 for pair in decided)
        doubtful = sum(pair.sure < 0.7 for pair in decided)
        found = [
            f"{len(self.names.pairs)} tensors: {certain} certain, {len(decided) - certain - doubtful} likely, "
            f"{doubtful} doubtful, {len(self.names.undecided)} undecided; {len(self.names.dropped)} dropped"
        ]
        found += [f"undecided: {name}" for name in self.names.undecided[:10]]
        found += [f"of the target, not reached: {name}" for name in self.unfilled[:10]]
        if doubtful or self.names.undecided:
            found.append("where several fit, say which scopes belong together: --hint SCOPE=SCOPE, or correct the file")
        return found


def propose(
    source: Mapping[str, Shape], target: Mapping[str, Shape], hints: Mapping[str, str] | None = None
) -> Proposal:
    """Which tensor of `source` is which of `target`. Every name of the source is in the map: paired, dropped or
    undecided."""
    left, right = layers_of(source), layers_of(target)
    chosen = _Matching(left, right, hints or {}).pairs()
    names, reached = NameMap(), set[str]()
    for layer in left:
        partner = chosen.get(layer.place)
        if partner is None:
            continue
        other, sure, why, others = partner
        for role, (name, shape) in layer.tensors.items():
            to, theirs = other.tensors[role]
            swapped = shape != theirs
            hinted = [candidate.tensors[role][0] for candidate in others if role in candidate.tensors]
            names.pairs[name] = Pair(to, swapped, sure, why, tuple(hinted) if sure < 0.7 else ())
            reached.add(to)
    unfilled = [name for name in target if name not in reached and name.rpartition(".")[2] not in COUNTERS]
    for name, shape in source.items():
        if name in names.pairs:
            continue
        if name.rpartition(".")[2] in COUNTERS:
            names.dropped[name] = "a counter of batches, which nothing computes with"
        else:
            same = [to for to in unfilled if sorted(target[to]) == sorted(shape)]
            names.pairs[name] = Pair(UNDECIDED, hints=tuple(same[:MOST_HINTS]))
    ordered = {name: names.pairs[name] for name in source if name in names.pairs}
    return Proposal(NameMap(ordered, names.dropped), unfilled)


Chosen = tuple[Layer, float, str, list[Layer]]


class _Matching:
    def __init__(self, left: list[Layer], right: list[Layer], hints: Mapping[str, str]) -> None:
        self.left, self.right = left, right
        self.groups: dict[tuple[object, ...], tuple[list[Layer], list[Layer]]] = defaultdict(lambda: ([], []))
        for side, layers in enumerate((left, right)):
            for layer in layers:
                self.groups[layer.signature][side].append(layer)
        self.votes: dict[str, Counter[str]] = defaultdict(Counter)
        self.hints = dict(hints)
        unknown = [scope for scope in hints if not any(scope in layer.scopes for layer in left)]
        unknown += [scope for scope in hints.values() if not any(scope in layer.scopes for layer in right)]
        if unknown:
            raise WeightsError(f"--hint: there is no scope {unknown[0]!r}")

    def pairs(self) -> dict[int, Chosen]:
        """Of each left layer that has one its partner, how sure, why, and who else could be."""
        found: dict[int, Chosen] = {}
        for ours, theirs in self.groups.values():
            if len(ours) == len(theirs) == 1:
                self._vote(ours[0], theirs[0], 3)
                found[ours[0].place] = (theirs[0], 1.0, "the only layer of its kind and shape on both sides", [])
            elif len(ours) == len(theirs):
                for one, other in zip(ours, theirs):
                    self._vote(one, other, 1)
        for ours, theirs in self.groups.values():
            if ours and theirs and max(len(ours), len(theirs)) > 1:
                found |= self._assign(ours, theirs)
        return found

    def _vote(self, one: Layer, other: Layer, weight: int) -> None:
        """Scopes of the two belong together: whichever depth they stand at, counted from either end."""
        for mine in one.scopes[:-1]:
            for scope in other.scopes[:-1]:
                self.votes[mine][scope] += weight

    def _together(self, one: Layer, other: Layer) -> float:
        """0 to 1: the share of votes, over the scopes of the one, that fall on a scope of the other."""
        shares = []
        for depth, scope in enumerate(one.scopes[:-1], start=1):
            counted = self.votes.get(scope)
            if counted:
                most = max(counted.values())
                best = max((counted[s] / most * (1 + 0.01 * s.count(".")) for s in other.scopes[:-1]), default=0.0)
                shares.append((depth, min(best, 1.0)))
        weight = sum(depth for depth, _ in shares)
        return sum(depth * share for depth, share in shares) / weight if weight else 0.0

    def _score(self, one: Layer, other: Layer, apart: int) -> float:
        """apart: by how many places they are from each other, among the layers of their signature."""
        shared = sum((one.words & other.words).values())
        alike = 2 * shared / max(1, sum(one.words.values()) + sum(other.words.values()))
        score = self._together(one, other) + 0.3 * alike + 0.7 / (1 + apart)
        for mine, theirs in self.hints.items():
            if (mine in one.scopes) != (theirs in other.scopes):
                score -= 5
            elif mine in one.scopes:
                score += 1
        return score

    def _assign(self, ours: list[Layer], theirs: list[Layer]) -> dict[int, Chosen]:
        """The best pairs first."""
        most = max(len(ours), len(theirs))
        scores = {
            (i, j): self._score(one, other, abs(i - j)) for i, one in enumerate(ours) for j, other in enumerate(theirs)
        }
        found: dict[int, Chosen] = {}
        free, open_ = set(range(len(ours))), set(range(len(theirs)))
        for (i, j), score in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
            if i not in free or j not in open_ or score < -1:
                continue
            rivals = sorted(((scores[i, k], k) for k in range(len(theirs)) if k != j), reverse=True)
            columns = [scores[k, j] for k in range(len(ours)) if k != i]
            margin = score - max([rivals[0][0]] if rivals else [], default=score - 1)
            margin = min(margin, score - max(columns, default=score - 1))
            free.discard(i)
            open_.discard(j)
            sure = 0.5 if margin < EVEN else min(0.9, 0.7 + margin)
            sure = min(sure, 0.6) if len(ours) != len(theirs) else sure
            others = [theirs[k] for value, k in rivals if value > score - EVEN][:MOST_HINTS]
            why = f"by scopes, order and words among {most} of its kind and shape"
            found[ours[i].place] = (theirs[j], sure, why, others)
        return found
