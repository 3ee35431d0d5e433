"""What each backend says of itself, in `backends/<name>/description.yaml`: read here without importing a framework.

There is no other list of backends: a folder with a description is one, and deleting it is all that removes it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import yaml

from core.errors import ConfigError
from core.schema import convert

FOLDER = Path(__file__).resolve().parents[1] / "backends"
FILE = "description.yaml"


@dataclass(frozen=True)
class Description:
    """A backend.

    title: the framework's name, for people.
    package: what pip calls it; `module`: what Python imports.
    order: where it stands when backends are listed; the first is what the others are compared with.
    formats: names of weights_convert.formats that the framework's own loader reads, the usual one first.
    naming: what its own names for parameters are called, for people; empty where they are the canonical ones.
    leaves: kind of parameter -> last component of its name in the framework, where it is not the canonical one.
    transposed: kinds of parameters that the framework stores with their two axes swapped.
    exports: targets of core.export that its graphs.py writes.
    trains: False for a runtime, which only runs networks that a framework has exported.
    extra: of this project, that installs what it needs, where it is not the backend's name.
    """

    title: str
    package: str
    module: str
    order: int
    formats: tuple[str, ...]
    naming: str = ""
    leaves: dict[str, str] = field(default_factory=dict)
    transposed: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    trains: bool = True
    extra: str = ""

    @property
    def installed(self) -> bool:
        """Whether the framework can be found; it is not imported."""
        return find_spec(self.module) is not None


def read_descriptions(folder: Path) -> dict[str, Description]:
    """Name -> description of the backends in `folder`, in their order.

    Raises ConfigError for a description with a field missing, unknown or of another type.
    """
    found: dict[str, Description] = {}
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: is no valid YAML: {error}") from error
        found[path.parent.name] = convert(values, Description, str(path), "description")
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


@lru_cache(maxsize=1)
def _all() -> dict[str, Description]:
    return read_descriptions(FOLDER)


@lru_cache(maxsize=1)
def descriptions() -> dict[str, Description]:
    """Name -> description of the backends that this project has, in their order; runtimes are not among them."""
    return {name: description for name, description in _all().items() if description.trains}


@lru_cache(maxsize=1)
def runtimes() -> dict[str, Description]:
    """Name -> description of the backends that only run what others have exported."""
    return {name: description for name, description in _all().items() if not description.trains}


def require_framework(package: str) -> None:
    """Ends with one sentence where the framework of `backends.<name>` (`package`) is not installed.

    A package calls it before it imports its framework. Under `python -m backends.<name>.<job>` the sentence is all that
    is shown, with status 2: Python imports the package, with "-m" for the command's name, before the job can catch
    anything. Everybody else gets a ModuleNotFoundError.
    """
    name = package.rpartition(".")[2]
    description = _all()[name]
    if description.installed:
        return
    setup = f"run `make setup BACKENDS={name}`, or " if description.trains else "run "
    sentence = (
        f"{description.title} is not installed, which {package} needs: {setup}"
        f'`pip install -e ".[{description.extra or name}]"` in the project\'s folder'
    )
    if sys.argv[:1] == ["-m"]:
        print(f"error: {sentence}", file=sys.stderr)
        raise SystemExit(2)
    raise ModuleNotFoundError(sentence, name=description.module)


def backend_names() -> tuple[str, ...]:
    """The backends that this project has, installed or not, in their order."""
    return tuple(descriptions())


def package_versions() -> dict[str, str]:
    """Package -> version, or "absent": what results depend on, with every backend's framework."""
    found = {}
    frameworks = [description.package for description in descriptions().values()]
    for package in ("segparity", "numpy", "opencv-python-headless", *frameworks):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def interpreter(backend: str) -> str:
    """The Python that runs a backend: this one, or another environment's (SEGPARITY_PYTHON_MXNET=/path/to/python)."""
    return os.environ.get(f"SEGPARITY_PYTHON_{backend.upper()}", sys.executable)
