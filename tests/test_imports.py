"""Imports run downwards only: core <- weights_convert <- backends <- parity_tests and benchmarks.

Read from the text of every file, so that nothing needs to be installed: import statements wherever they stand, and the
strings that name a module (`importlib.import_module("backends.torch.losses")`, `f"backends.{name}.state"`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.description import descriptions, runtimes

ROOT = Path(__file__).resolve().parents[1]
# A package imports itself and those named here.
BELOW = {
    "core": (),
    "weights_convert": ("core",),
    "backends": ("core", "weights_convert"),
    "parity_tests": ("core", "weights_convert", "backends"),
    "benchmarks": ("core", "weights_convert", "backends"),
}
FILES = sorted(path.relative_to(ROOT) for package in BELOW for path in (ROOT / package).rglob("*.py"))
FRAMEWORKS = {name: description.module for name, description in descriptions().items()}
# What is built on a framework and so belongs to its backend; and what nothing may use: core.safetensors is the reader.
BUILT_ON = {"torchvision": "torch", "paddleseg": "paddle", "gluoncv": "mxnet", "tensorflow": "", "safetensors": ""}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of what a module imports; the fixed start of a name that is put together at run time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports are not used here"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__", "patch")):
            yield from ((node.lineno, name) for argument in node.args[:1] for name in _names(argument))


def _names(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        yield str(argument.values[0].value)


def owner(path: Path) -> str | None:
    """The backend that a file belongs to, by its folder or the end of its name: parity_tests/habits/torch.py."""
    if path.parts[0] == "backends" and path.parts[1] in FRAMEWORKS:
        return path.parts[1]
    return next((name for name in FRAMEWORKS if path.stem == name or path.stem.endswith(f"_{name}")), None)


def upward(path: Path, names: list[tuple[int, str]]) -> list[str]:
    """Imports of a package that does not lie below."""
    package = path.parts[0]
    packages = [(line, name, name.split(".")[0]) for line, name in names]
    return [
        f"{path}:{line}: {name}"
        for line, name, top in packages
        if (top in BELOW or top == "tests") and top != package and top not in BELOW[package]
    ]


def foreign(path: Path, names: list[tuple[int, str]]) -> list[str]:
    """Imports of a framework, or from a backend's folder, in a file that belongs to no backend or to another one."""
    if path.parts[0] == "backends" and path.parts[1] in runtimes():
        names = [(line, name) for line, name in names if not name.startswith("backends.torch.graphs")]  # what it runs
    modules = {module: name for name, module in FRAMEWORKS.items()} | BUILT_ON
    found = []
    for line, name in names:
        parts = name.split(".")
        of = parts[1] if parts[0] == "backends" and len(parts) > 1 and parts[1] in FRAMEWORKS else modules.get(parts[0])
        if of in ("", *FRAMEWORKS) and of != owner(path):
            found.append(f"{path}:{line}: {name}")
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_downwards(path: Path) -> None:
    names = list(imported(ast.parse((ROOT / path).read_text(encoding="utf-8"))))
    assert not upward(path, names)
    assert not foreign(path, names)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/a.py", "from weights_convert import load_weights"),
        ("core/a.py", "def f():\n    import backends.jobs"),
        ("weights_convert/a.py", "importlib.import_module('backends.worker')"),
        ("backends/torch/a.py", "from parity_tests.compare import compare"),
        ("parity_tests/a.py", "from benchmarks import cases"),
        ("core/a.py", "from tests import shared_paths"),
    ],
)
def test_an_upward_import_is_seen(path: str, text: str) -> None:
    assert len(upward(Path(path), list(imported(ast.parse(text))))) == 1


@pytest.mark.skipif(not {"torch", "mxnet"} <= set(FRAMEWORKS), reason="named after backends that are not there")
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/a.py", "import torch.nn"),
        ("backends/torch/a.py", "def f():\n    from backends.mxnet.layers import BatchNorm"),
        ("backends/jobs/a.py", "import_module('backends.torch.learner')"),
        ("parity_tests/a.py", "from mxnet import nd"),
        ("benchmarks/a.py", "import gluoncv"),
        ("core/a.py", "from safetensors.numpy import save_file"),
    ],
)
def test_a_foreign_import_is_seen(path: str, text: str) -> None:
    names = list(imported(ast.parse(text)))
    assert len(foreign(Path(path), names)) == 1
    assert not foreign(Path("parity_tests/habits/torch.py"), list(imported(ast.parse("import torch"))))
