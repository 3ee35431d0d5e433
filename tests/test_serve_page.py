"""The page in a real browser: samples, a file, the keyboard, a phone, a framework that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.serve.engine import Unavailable
from tests.chromium import Page, browser, find_chromium
from tests.served import FakeEngine, bands, model, running

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium here (apt install chromium): the page is not tested"
)
DONE = "/agree|differ|nothing to compare|No framework/.test($('say').textContent)"


def shifted(picture: np.ndarray) -> np.ndarray:
    """`bands`, another class in the first row."""
    labels = bands(picture)
    labels[0] = 5
    return labels


def absent(picture: np.ndarray) -> np.ndarray:
    raise Unavailable("MXNet is not installed")


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    assert PROGRAM is not None
    with browser(PROGRAM) as page:
        yield page


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    engines = {"torch": FakeEngine("PyTorch", bands), "paddle": FakeEngine("PaddlePaddle", shifted)}
    engines["mxnet"] = FakeEngine("MXNet", absent)
    with running(engines, models=[model("first"), model("second")]) as address:
        yield address


def opened(tab: Page, url: str, **how: object) -> None:
    tab.problems.clear()
    tab.requested.clear()
    tab.open(url, **how)  # type: ignore[arg-type]
    tab.wait("typeof $ === 'function' && document.querySelectorAll('.sample').length === 2")


def test_frameworks_side_by_side(tab: Page, url: str, tmp_path: Path) -> None:
    opened(tab, url)
    tab.run("document.querySelectorAll('.sample')[1].click()")
    tab.wait(DONE)
    said = tab.run("$('say').textContent")
    assert said == "2 frameworks; 32 of 768 pixels (4.17 %) differ. No answer from MXNet."
    assert tab.run("document.querySelector('#panel-mxnet .told').textContent") == "MXNet is not installed"
    assert "2 ms in the network" in tab.run("document.querySelector('#panel-torch .told').textContent")
    assert tab.run("document.querySelector('#panel-difference .told').textContent") == "32 pixels, 4.17 %"
    tops = tab.run("['torch','paddle','mxnet'].map(b => $('panel-' + b).getBoundingClientRect().top)")
    assert len(set(tops)) == 1  # side by side
    shares = tab.run("[...document.querySelectorAll('#shares tr')].map(r => [...r.cells].map(c => c.textContent))")
    assert shares[0] == ["class", "PyTorch", "PaddlePaddle"]
    assert sum(float(row[1].rstrip(" %")) for row in shares[1:]) == pytest.approx(100, abs=0.05)
    assert not tab.problems
    assert all(address.startswith((url, "data:", "blob:")) for address in tab.requested)  # no other server
    tab.screenshot(tmp_path / "page.png")
    assert cv2.imread(str(tmp_path / "page.png")).shape[1] == 1300


def test_the_pointer_and_the_keyboard_tell_the_class(tab: Page, url: str) -> None:
    opened(tab, url)
    tab.run("document.querySelectorAll('.sample')[0].focus()")
    tab.press("Enter", 13)
    tab.wait(DONE)
    tab.run("$('canvas-torch').focus()")
    tab.press("ArrowRight", 39)
    tab.press("ArrowUp", 38, shift=True)
    tab.wait("document.querySelector('#panel-picture .under').textContent === 'column 17, row 2'")
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)  # the first sample
    name = model().classes[int(bands(picture)[2, 17])]
    assert tab.run("document.querySelector('#panel-torch .under').textContent") == name
    assert tab.run("document.querySelector('#shares tr.lit td').textContent") == name
    box = tab.run("(({left, top, width}) => [left, top, width])($('canvas-paddle').getBoundingClientRect())")
    tab.pointer(box[0] + 4.5 * box[2] / 32, box[1] + 0.5 * box[2] / 32)
    tab.wait("document.querySelector('#panel-picture .under').textContent === 'column 4, row 0'")
    assert tab.run("document.querySelector('#panel-paddle .under').textContent") == model().classes[5]


def test_a_file_of_ones_own_on_a_phone(tab: Page, url: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "own.png"), np.full((20, 30, 3), 200, np.uint8))
    opened(tab, url, width=390, height=844, phone=True)
    tab.give_file("#file", tmp_path / "own.png")
    tab.wait(DONE)
    assert tab.run("document.documentElement.scrollWidth") == 390  # nothing sticks out
    lefts = tab.run("['torch','paddle','mxnet'].map(b => $('panel-' + b).getBoundingClientRect().left)")
    assert len(set(lefts)) == 1  # one below the other
    assert tab.run("document.querySelectorAll('#shares tr').length") == 3  # head, class 3, class 5
    tab.run("$('model').value = 'second'; $('model').dispatchEvent(new Event('change'))")
    tab.wait(DONE)
    assert any("model=second" in address for address in tab.requested)
    assert not tab.problems


def test_what_is_no_picture_is_said(tab: Page, url: str, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    opened(tab, url)
    tab.give_file("#file", tmp_path / "page.png")
    tab.wait("$('say').className === 'bad'")
    assert "cannot show it" in tab.run("$('say').textContent")
