"""The documentation's commands, read from its fenced blocks, and the site.

Every `python -m` command on every page names a module that is there and options that it has. The blocks marked `bash`
are run, page by page in a folder of their own, with what a comment above the block declares:

    <!-- run with: "these words" -> "those" -->     smaller, so that it takes seconds
    <!-- run after: COMMAND -->                     what the page takes for granted
    <!-- not run: REASON -->                        and which test runs it instead
"""

from __future__ import annotations

import html.parser
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.description import descriptions

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
FENCE = re.compile(r"((?:<!--[^>]*?(?:->[^>]*?)*-->\s*\n)*)```(\w*)[^\n]*\n(.*?)\n```", re.DOTALL)
COMMENT = re.compile(r"<!-- (run with|run after|not run): (.*?) -->", re.DOTALL)


@dataclass
class Block:
    """A fenced block with what stands above it."""

    language: str
    lines: list[str]
    replacements: list[tuple[str, str]] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    not_run: str = ""


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page; lines that end with a backslash are joined with the next."""
    found = []
    for comments, language, body in FENCE.findall(text):
        lines = [line.strip() for line in body.replace("\\\n", " ").splitlines()]
        block = Block(language, [line for line in lines if line and not line.startswith("#")])
        for kind, value in COMMENT.findall(comments):
            if kind == "run with":
                block.replacements += re.findall(r'"([^"]*)" -> "([^"]*)"', value)
            elif kind == "run after":
                block.before.append(value)
            else:
                block.not_run = value
        found.append(block)
    return found


def commands(page: str) -> list[list[str]]:
    """The words of every `python -m` command in the page's blocks."""
    lines = [line for block in blocks((DOCS / page).read_text(encoding="utf-8")) for line in block.lines]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("python -m ")]


@cache
def help_of(module: str, action: str) -> str:
    """What the module says of its options (of one of its actions, where it has them)."""
    words = [sys.executable, "-m", module, *([action] if action else []), "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment).stdout


def test_blocks_are_read_with_what_stands_above_them() -> None:
    above = '<!-- run with: "x" -> "y z" -->\n<!-- run after: python -m b -->\n'
    text = f"a\n\n{above}```bash\n# no\npython -m a \\\n  --x 1  # why\n```\n"
    (block,) = blocks(text)
    assert block.lines == ["python -m a    --x 1  # why"]
    assert block.replacements == [("x", "y z")]
    assert block.before == ["python -m b"]
    assert blocks("```\nplain\n```\n<!-- not run: so -->\n```bash\nmake x\n```")[1].not_run == "so"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_names_a_module_that_is_there(page: str) -> None:
    for words in commands(page):
        module = words[2]
        if module.startswith("paddle.") or module.split(".")[0] in ("torch",):
            continue  # the framework's own launcher
        assert importlib.util.find_spec(module.rpartition(".")[0] or module) is not None, f"{page}: {' '.join(words)}"
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() or (
            ROOT / module.replace(".", "/") / "__main__.py"
        ).is_file(), f"{page}: {' '.join(words)}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_option_on_the_page_is_one(page: str) -> None:
    for words in commands(page):
        module = words[2]
        if not (ROOT / module.replace(".", "/").split("/")[0]).is_dir():
            continue
        action = words[3] if len(words) > 3 and re.fullmatch(r"[a-z]+", words[3]) else ""
        told = help_of(module, "") + (help_of(module, action) if action else "")
        assert told, f"{page}: {module} has no --help"
        for word in words[3:]:
            if word.startswith("--"):
                assert word.split("=")[0] in told, f"{page}: {' '.join(words)}: {word}"


def runnable(page: str) -> list[Block]:
    return [block for block in blocks((DOCS / page).read_text(encoding="utf-8")) if block.language == "bash"]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(not block.not_run for block in runnable(page))])
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    """In order, in a folder that has the project's configurations and a picture; skipped without its framework."""
    for name in ("configs", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    if page == "chaos.md":  # it writes there
        (tmp_path / "docs").unlink()
        (tmp_path / "docs").mkdir()
        for file in DOCS.glob("chaos*"):
            (tmp_path / "docs" / file.name).write_bytes(file.read_bytes())
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "street.png"), picture)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    count = 0
    for block in runnable(page):
        if block.not_run:
            continue
        for line in (*block.before, *block.lines):
            for old, new in block.replacements:
                line = line.replace(old, new)
            words = shlex.split(line, comments=True)
            assert words[0] == "python", f"{page}: only python commands are run, or say why not: {line}"
            backend = re.match(r"backends\.(\w+)\.", words[2])
            if backend and backend[1] in descriptions() and not descriptions()[backend[1]].installed:
                pytest.skip(f"{backend[1]} is not installed: {line}")
            result = subprocess.run(
                [sys.executable, *words[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert result.returncode == 0, f"{page}: {line}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
            count += 1
    assert count


class _References(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []  # what a browser fetches by itself

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.loaded.append(values.get("src") or "")
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(values.get("href") or "")


@pytest.mark.slow
def test_the_site_is_built_whole_and_without_a_network(tmp_path: Path) -> None:
    """MkDocs is strict: a broken link or anchor ends it. Nothing on a page is fetched from elsewhere."""
    pytest.importorskip("material", reason="mkdocs-material is not installed (extra docs): the site is not built")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "DISABLE_MKDOCS_2_WARNING": "true"}
    result = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    for page in PAGES:
        built = (tmp_path / "site" / page).with_suffix(".html")
        text = built.read_text(encoding="utf-8")
        references = _References()
        references.feed(text)
        assert references.loaded
        assert not [link for link in references.loaded if re.match(r"(https?:)?//", link)], page
    assert "Add a model" in (tmp_path / "site" / "add_a_model.html").read_text(encoding="utf-8")


def test_every_page_that_the_site_orders_has_a_title() -> None:
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        assert text.startswith(("# ", "--8<-- ")), page


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", link):
                assert (DOCS / link).exists(), f"{page}: {link}"
