"""Finding the state dictionary in what a checkpoint holds: wrappers, nested dictionaries, optimizer state alongside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from core.errors import WeightsError
from core.tensors import Limits, listing, shown
from weights_convert.formats.pickle_machine import Opaque

# In order of preference: the keys under which training scripts keep the model's weights.
WRAPPERS = ("state_dict", "model_state_dict", "model", "model_state", "net", "network", "params", "weights", "module")
# Held beside the weights, and left out whenever there is something else.
COMPANIONS = re.compile(
    r"opt|optimi\w*|optim(_\w+)?|\w*sched\w*|lr_\w*|\w*scaler\w*|amp|apex|(\w+_)?ema(_\w+)?|\w*(averaged?|avg)_?model\w*|meta|callbacks|loops"
)
# Under which training scripts keep the moving average of the weights.
AVERAGES = re.compile(r"((\w+_)?ema(_\w+)?|ema\w*|\w*(averaged?|avg)_?(model|state_dict)\w*|shadow)")
LONGEST_NAME = 4096


class StateFinder:
    """Walks through what a pickle held. All its walks together take at most `Limits.opcodes` steps.

    Args:
        is_tensor: tells the tensors of the format from other values.
        where: the file, for error messages.
        ema: take the moving average of the weights instead of the weights themselves.
    """

    def __init__(
        self, is_tensor: Callable[[Any], bool], where: str, file_size: int, limits: Limits, ema: bool = False
    ) -> None:
        self.is_tensor = is_tensor
        self.where = where
        self.ema = ema
        self.limits = limits
        self.remaining_steps = limits.opcodes(file_size)
        self.remaining_text = file_size + limits.slack

    def find(self, root: Any) -> tuple[dict[str, Any], tuple[str, ...], list[str]]:
        """The tensors by name, the keys that were opened on the way, and notes on what was left out.

        A dictionary that holds no tensor itself is opened: at one of `WRAPPERS` if there is one, else at the only
        entry that holds tensors. Several such entries (an encoder and a decoder) are joined, their keys becoming
        prefixes.

        Raises:
            WeightsError: if there is no tensor, two get the same name, or the nesting passes the limits; with `ema`, if
                no entry on the way is that of a moving average.
        """
        path: list[str] = []
        notes: list[str] = []
        node = root
        while _is_container(node) and not any(self.is_tensor(value) for _, value in self._children(node)):
            key = self._choose(node)
            if key is None:
                break
            left = [shown(k) for k, _ in self._children(node) if k != key]
            path.append(str(key))
            if left:
                notes.append(f"read {'.'.join(path)!r}; left out beside it: {listing(left)}")
            if len(path) > self.limits.max_depth:
                raise self._too_deep()
            node = node[key]
        if self.ema and not any(AVERAGES.fullmatch(key.lower()) for key in path):
            raise WeightsError(
                f"{self.where}: a moving average was asked for (--ema), and no entry beside the weights is called like "
                "one; without --ema the weights themselves are read"
            )
        found: dict[str, Any] = {}
        skipped: list[str] = []
        for name, leaf in self._leaves(node):
            if not self.is_tensor(leaf):
                skipped.append(f"{name} ({_kind(leaf)})" if len(skipped) < 20 else "")
            elif name in found:
                raise WeightsError(f"{self.where}: two tensors get the name {name!r}; save the state dictionary alone")
            else:
                found[name] = leaf
        if not found and isinstance(root, Opaque):
            raise self._unreadable(f"holds {_kind(root)}")
        if not found:
            raise WeightsError(f"{self.where}: holds no tensor ({_kind(root)}); expected a dictionary of named tensors")
        if skipped:
            notes.append(f"left out, because they are no tensors: {listing(skipped)}")
        return found, tuple(path), notes

    def _choose(self, node: Any) -> Any:
        """The key to open, or None if the entries are to be joined."""
        holding = [key for key, value in self._children(node) if _is_container(value) and self._holds_tensor(value)]
        if self.ema:
            averages = [key for key in holding if isinstance(key, str) and AVERAGES.fullmatch(key.lower())]
            if len(averages) > 1:
                raise WeightsError(f"{self.where}: several entries hold a moving average: {listing(averages)}")
            if averages:
                return averages[0]
        for wrapper in WRAPPERS:
            if wrapper in holding:
                return wrapper
        main = [key for key in holding if not (isinstance(key, str) and COMPANIONS.fullmatch(key.lower()))]
        for key, value in self._children(node) if not main else ():
            if isinstance(value, Opaque) and key in WRAPPERS:
                raise self._unreadable(f"{key!r} is {_kind(value)}")
        candidates = main or holding
        return candidates[0] if len(candidates) == 1 else None

    def _holds_tensor(self, node: Any) -> bool:
        """Whether a tensor lies anywhere below; every container is looked at once, however often it is shared."""
        seen = {id(node)}
        waiting = [node]
        while waiting:
            for _, value in self._children(waiting.pop()):
                if self.is_tensor(value):
                    return True
                if _is_container(value) and id(value) not in seen:
                    seen.add(id(value))
                    waiting.append(value)
        return False

    def _leaves(self, root: Any) -> Iterator[tuple[str, Any]]:
        """Names joined with dots and values below `root`, in order."""
        stack = [("", self._children(root))] if _is_container(root) else []
        while stack:
            prefix, children = stack[-1]
            entry = next(children, None)
            if entry is None:
                stack.pop()
                continue
            key, value = entry
            name = f"{prefix}{key if isinstance(key, (str, int)) else shown(key)}"
            self.remaining_text -= len(name)
            if len(name) > LONGEST_NAME or self.remaining_text < 0:
                raise WeightsError(f"{self.where}: tensor names longer than any framework's, such as {name[:60]!r}…")
            if self.is_tensor(value) or not _is_container(value) or not value or self._is_plain(value):
                yield name, value
            elif len(stack) >= self.limits.max_depth:
                raise self._too_deep()
            else:
                stack.append((name + ".", self._children(value)))

    def _is_plain(self, value: Any) -> bool:
        """A list of numbers or text, such as learning-rate milestones: one leaf, not many."""
        return not isinstance(value, dict) and not any(
            _is_container(part) or self.is_tensor(part) for _, part in self._children(value)
        )

    def _children(self, node: Any) -> Iterator[tuple[Any, Any]]:
        for entry in node.items() if isinstance(node, dict) else enumerate(node):
            self.remaining_steps -= 1
            if self.remaining_steps < 0:
                raise WeightsError(
                    f"{self.where}: its containers share each other so often that they unfold beyond "
                    "any real checkpoint; "
                    "if trusted, raise Limits.max_opcodes"
                )
            yield entry

    def _unreadable(self, what: str) -> WeightsError:
        return WeightsError(
            f"{self.where}: {what}, which only its own code can build; load the file where it was made and save the "
            "state_dict() alone"
        )

    def _too_deep(self) -> WeightsError:
        return WeightsError(
            f"{self.where}: containers nested deeper than {self.limits.max_depth}; if trusted, raise Limits.max_depth"
        )


def _is_container(node: Any) -> bool:
    return type(node) in (dict, list, tuple)


def _kind(value: Any) -> str:
    if isinstance(value, Opaque):
        return f"an object of {shown(value.name)}"
    return f"{type(value).__name__} of {len(value)}" if _is_container(value) else type(value).__name__
