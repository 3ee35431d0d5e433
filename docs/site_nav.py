"""The order of the site's pages (a hook of MkDocs). A page that is not named here comes last, under its own title."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ORDER = {
    "Start in five minutes": "index.md",
    "Rescue a checkpoint": "rescue.md",
    "Train on your folder": "your_own_data.md",
    "Port your own network": "port_your_own.md",
    "The zoo": "zoo.md",
    "The first hundred iterations": "first_hundred.md",
    "Data sets": "data_sets.md",
    "Framework differences": "framework_differences.md",
    "Protocols": "protocols.md",
    "Memory, precision, rates": "training.md",
    "Many devices": "distributed.md",
    "Data pipeline": "data_pipeline.md",
    "Deployment": "deployment.md",
    "Speed": "speed.md",
    "A service and its page": "service.md",
    "Two runs are not one run": "chaos.md",
    "Add a model": "add_a_model.md",
}


def pages(folder: Path) -> list[Any]:
    """The navigation: those of ORDER that are there, then the others."""
    present = {path.name for path in folder.glob("*.md")}
    named: list[Any] = [{title: page} for title, page in ORDER.items() if page in present]
    return named + sorted(present - set(ORDER.values()))


def on_config(config: Any) -> Any:
    config.nav = pages(Path(config.docs_dir))
    return config
