"""A backend whose framework is not installed says so in one sentence, with the command that installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.description import backend_names, descriptions

ROOT = Path(__file__).resolve().parents[1]


def _without(module: str, folder: Path) -> str:
    """A start of Python that cannot find `module`."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.machinery as machinery\n"
        "find = machinery.PathFinder.find_spec\n"
        "def hidden(name, path=None, target=None):\n"
        f"    return None if name.partition('.')[0] == {module!r} and path is None else find(name, path, target)\n"
        "machinery.PathFinder.find_spec = staticmethod(hidden)\n"
    )
    return str(folder)


@pytest.mark.parametrize("job", ["train", "eval"])
@pytest.mark.parametrize("backend", backend_names())
def test_help_says_what_to_install(backend: str, job: str, tmp_path: Path) -> None:
    hidden = _without(descriptions()[backend].module, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", f"backends.{backend}.{job}", "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": hidden, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {descriptions()[backend].title} is not installed")
    assert f"make setup BACKENDS={backend}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_an_import_is_an_import_error(tmp_path: Path) -> None:
    backend = backend_names()[0]
    hidden = _without(descriptions()[backend].module, tmp_path)
    code = f"try:\n import backends.{backend}\nexcept ModuleNotFoundError as error:\n print(error.name, error)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": hidden, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{descriptions()[backend].module} ")
    assert f'pip install -e ".[{backend}]"' in done.stdout
