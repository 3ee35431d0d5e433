"""What no trusted archive has: names that lead out, members that share bytes."""

from __future__ import annotations

import pytest

from core.archive_rules import leads_out, overlapping


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "..", "\\x", "a\\..\\x", "c:\\x", "c:x", "a\0b"])
def test_names_that_lead_out(name: str) -> None:
    assert leads_out(name)


@pytest.mark.parametrize("name", ["a", "a/b.png", "./a", "a..b/c", "...", "a/b\\c", "ratio_1:2.png"])
def test_names_that_stay(name: str) -> None:
    assert not leads_out(name)


def test_members_that_share_bytes() -> None:
    assert overlapping([]) is None
    assert overlapping([(10, 20, "b"), (0, 10, "a"), (20, 20, "empty"), (20, 30, "c")]) is None
    assert overlapping([(10, 20, "b"), (0, 11, "a")]) == ("a", "b")
    assert overlapping([(0, 100, "a"), (10, 20, "b"), (30, 40, "c")]) == ("a", "b")
