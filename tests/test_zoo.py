"""The README's table is the presets'."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SegParityError
from core.zoo import main, put_table

README = Path(__file__).resolve().parents[1] / "README.md"


def test_readme_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert put_table(text, "README.md") == text, "run `make table`"


def test_missing_markers_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SegParityError, match=r"notes\.md"):
        put_table("nothing", "notes.md")
    assert main([str(tmp_path / "absent.md")]) == 2
    assert "absent.md" in capsys.readouterr().err
