"""The backends mirror each other: the same files, and in them the same public names with the same parameters.

Read from the text, so that no framework is needed. What natives write differently is said by rule, not by exception:

- MXNet's blocks and helpers take `F`, the module of arrays or of symbols, first, and `hybrid_forward` is its `forward`.
  A block's own parameters (`self.gamma = self.params.get(…)`) come as arguments, and a list of maps as `*maps`. Nothing
  there may depend on sizes known only at run time, so that a `size` becomes an array `like` which to resize.
- Names with the backend's own name in them (`TorchSamples`, `PaddleSamples`) are the same name.
- `forward` may be inherited or stand in `__call__`, `hybridize` is Gluon's alone, and what begins with an underscore is
  each framework's own.
- In layers, losses, state and optimizer (NATIVE) a backend may have more, where another's framework brings it itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from core.description import FOLDER, backend_names

Signature = tuple[tuple[str, str], ...]  # (parameter, default as written)
BACKENDS = backend_names()
NATIVE = ("layers", "losses", "state.py", "optim.py", "distributed.py", "graphs.py")
RENAMED = {"like": "size"}
MODULES = sorted({path.relative_to(FOLDER / name) for name in BACKENDS for path in (FOLDER / name).rglob("*.py")})


def signature(function: ast.FunctionDef, own: Collection[str] = ()) -> Signature:
    """Names and defaults; without those in `own`."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found = [
        (argument.arg, "" if value is None else ast.unparse(value)) for argument, value in zip(positional, defaults)
    ]
    if arguments.vararg:
        starred = "" if function.name == "hybrid_forward" else "*"
        found.append((starred + arguments.vararg.arg, ""))
    elif arguments.kwonlyargs:
        found.append(("*", ""))
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append((argument.arg, "" if value is None else ast.unparse(value)))
    left_out = {"self", "F", *own}
    return tuple((RENAMED.get(name, name), default) for name, default in found if name not in left_out)


INHERITED = {"nn.BatchNorm": {"gamma", "beta", "running_mean", "running_var"}}


def registered(node: ast.ClassDef) -> set[str]:
    """The parameters that a Gluon block makes itself, or that its base does."""
    inherited = set[str]().union(*(INHERITED.get(ast.unparse(base), set()) for base in node.bases))
    return inherited | {
        target.attr
        for made in ast.walk(node)
        if isinstance(made, ast.Assign) and ast.unparse(made.value).startswith("self.params.get")
        for target in made.targets
        if isinstance(target, ast.Attribute)
    }


def public(tree: ast.Module, backend: str) -> Iterator[tuple[str, Signature]]:
    """(name, parameters) of a module's public functions, classes (as they are made) and methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, signature(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            name = re.sub(backend, "", node.name, flags=re.IGNORECASE)
            functions = [member for member in node.body if isinstance(member, ast.FunctionDef)]
            methods = {m.name.removeprefix("hybrid_"): signature(m, registered(node)) for m in functions}
            yield name, methods.get("__init__", ())
            yield from ((f"{name}.{m}", taken) for m, taken in methods.items() if not m.startswith("_"))


def read(module: Path) -> dict[str, dict[str, Signature]]:
    """Backend -> its public names in a module, for the backends that have it."""
    files = {name: FOLDER / name / module for name in BACKENDS}
    return {
        name: dict(public(ast.parse(path.read_text("utf-8")), name)) for name, path in files.items() if path.exists()
    }


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_agree(module: Path) -> None:
    found = read(module)
    native = module.parts[0] in NATIVE
    assert native or set(found) == set(BACKENDS), f"{module} is in {', '.join(found)} alone"
    for (first, ours), (second, theirs) in combinations(found.items(), 2):
        lacking = [name for name in set(ours) ^ set(theirs) if not name.endswith((".forward", ".hybridize"))]
        assert native or not lacking, f"{module}: {first} and {second} have not both {', '.join(sorted(lacking))}"
        for name in set(ours) & set(theirs):
            assert ours[name] == theirs[name], f"{module}: {name} differs between {first} and {second}"


def test_differences_are_seen() -> None:
    text = "class A:\n    def __init__(self, x, y=1, *, z): ...\n    def f(self, x): ...\ndef g(x): ..."
    same = text.replace("def f(self, x)", "def f(self, F, x)")
    names = dict(public(ast.parse(text), "one"))
    assert list(names) == ["A", "A.f", "g"]
    assert names == dict(public(ast.parse(same), "one"))
    for change in ("y=1->y=2", "x, y->y, x", "*, z->z=0", "def g->def h", "def f(self, x)->def f(self, w)"):
        before, after = change.split("->")
        assert names != dict(public(ast.parse(text.replace(before, after)), "one")), change
