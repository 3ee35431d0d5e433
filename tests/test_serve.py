"""The service over real HTTP, with functions for frameworks: answers, limits, refusals, load, fuzzed uploads."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from benchmarks.service import Client, constructed, fuzz, hostile, jpeg, load, pictures, png, webp
from tests.served import FakeEngine, Limits, bands, running

from backends.serve.engine import Unavailable, Unsuitable  # isort: skip
from backends.serve.models import run_lengths  # isort: skip
from backends.serve.uploads import Refused, decode, inspect  # isort: skip

PICTURE = pictures(1, (48, 64))[0]  # BGR, as OpenCV encodes it
RGB = PICTURE[..., ::-1]


def broken(picture: np.ndarray) -> np.ndarray:
    raise Unavailable("Paddle failed; the server's log says more")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    engines = {"torch": FakeEngine("PyTorch", bands), "paddle": FakeEngine("Paddle", broken)}
    with running(engines) as address:
        yield address


def test_the_answer_in_every_format(url: str) -> None:
    client, expected = Client(url), bands(RGB)
    status, found = client.segment(png(PICTURE), backend="torch")
    assert status == 200
    assert np.array_equal(cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_UNCHANGED), expected)
    status, found = client.segment(png(PICTURE), backend="torch", format="raw")
    assert np.array_equal(np.frombuffer(found, np.uint8).reshape(48, 64), expected)
    for form in ("color", "overlay"):
        status, found = client.segment(png(PICTURE), backend="torch", format=form)
        assert cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_UNCHANGED).shape == (48, 64, 3)
    status, found = client.segment(png(PICTURE), backend="torch", format="rle")
    answer = json.loads(found)
    drawn = np.full((64, 48), 255, np.uint8)  # RLE runs down the columns
    for segment in answer["segments"]:
        counts = segment["rle"]["counts"]
        own = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        drawn.reshape(-1)[: len(own)][own] = segment["class"]
        assert segment["share"] == pytest.approx((expected == segment["class"]).mean(), abs=1e-6)
    assert np.array_equal(drawn.T, expected)


def test_a_form_is_taken_as_well_as_a_body(url: str) -> None:
    body = b'--x1\r\nContent-Disposition: form-data; name="a"\r\n\r\n7\r\n--x1\r\n'
    body += b'Content-Disposition: form-data; name="file"; filename="../../etc/passwd.png"\r\n'
    body += b"Content-Type: image/png\r\n\r\n" + png(PICTURE) + b"\r\n--x1--\r\n"
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        head = "POST /api/segment?backend=torch&format=raw HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        head += f"Content-Type: multipart/form-data; boundary=x1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(bands(RGB).tobytes())


@pytest.mark.parametrize("encode", [png, jpeg, webp])
def test_pictures_are_decoded_as_opencv_does(encode) -> None:  # type: ignore[no-untyped-def]
    data = encode(PICTURE)
    upload = inspect(data, 1 << 20)
    assert (upload.height, upload.width) == (48, 64)
    assert np.array_equal(decode(upload)[..., ::-1], cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize(
    "picture", [PICTURE[..., 0], np.dstack([PICTURE, PICTURE[..., :1]]), PICTURE.astype(np.uint16) * 257]
)
def test_grey_transparent_and_deep_pictures_come_in(picture: np.ndarray) -> None:
    assert decode(inspect(png(picture), 1 << 20)).shape == (48, 64, 3)


def test_what_frameworks_say_reaches_the_client(url: str) -> None:
    status, found = Client(url).segment(png(PICTURE), backend="paddle")
    assert (status, json.loads(found)["error"]) == (503, "Paddle failed; the server's log says more")
    assert Client(url).segment(png(PICTURE), backend="torch")[0] == 200  # the others still answer


def test_nothing_of_the_server_is_told() -> None:
    def crash(picture: np.ndarray) -> np.ndarray:
        raise RuntimeError("/secret/place/weights.pth is not there")

    def unsuitable(picture: np.ndarray) -> np.ndarray:
        raise Unsuitable("a picture of 48x64 is too small")

    with running({"torch": FakeEngine("PyTorch", crash), "mxnet": FakeEngine("MXNet", unsuitable)}) as address:
        client = Client(address)
        status, found = client.segment(png(PICTURE), backend="torch")
        assert status == 500
        assert b"secret" not in found
        assert b"Traceback" not in found
        assert client.segment(png(PICTURE), backend="mxnet")[0] == 422
        for path in (
            "/api/models",
            "/health",
            "/metrics",
            "/",
            "/docs",
            "/openapi.json",
            "/../../etc/passwd",
            "/api/samples/9",
        ):
            assert b"secret" not in client.ask("GET", path)[1]
        assert client.ask("GET", "/docs")[0] == client.ask("GET", "/openapi.json")[0] == 404
        assert b'status="500"} 1' in client.ask("GET", "/metrics")[1]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"backend": "caffe"}, "backend='caffe' is not known here; choose torch, paddle"),
        ({"model": "../x"}, "model='../x' is not known here; choose drawn"),
        ({"protocol": "best"}, "choose configured, whole, whole-mirrored, mxnetseg"),
        ({"format": "gif"}, "choose label, color, overlay, rle, raw"),
    ],
)
def test_unknown_choices_name_the_known_ones(url: str, query: dict[str, str], words: str) -> None:
    status, found = Client(url).segment(png(PICTURE), **query)
    assert status == 404
    assert words in json.loads(found)["error"]


def test_limits_of_bytes_pixels_and_time() -> None:
    limits = Limits(megabytes=0.05, pixels=48 * 64 - 1, upload_seconds=0.5)
    with running({"torch": FakeEngine("PyTorch", bands)}, limits) as address:
        client = Client(address)
        status, found = client.segment(png(PICTURE))
        assert (status, "64 x 48 pixels, the most taken is 3071" in json.loads(found)["error"]) == (413, True)
        status, found = client.segment(bytes(200_000))
        assert (status, "larger than 0.05 MiB" in json.loads(found)["error"]) == (413, True)
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall(b"POST /api/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow")
            assert b"408" in connection.recv(100)


CONSTRUCTED = list(constructed(png(PICTURE), jpeg(PICTURE)))


def test_hostile_uploads_are_one_sentence() -> None:
    refused = []
    for data in CONSTRUCTED:
        try:
            assert decode(inspect(data, 1 << 22)).shape == (48, 64, 3)
        except Refused as error:
            refused.append(str(error))
    assert len(refused) == len(CONSTRUCTED) - 1  # what is beside the pixels of a PNG is left out, not unpacked
    for words in (
        "60000 x 60000 pixels",
        "pixels are not as many as its header states",
        "204 bytes stand behind the PNG picture's end",
        "25 bytes stand behind the JPEG picture's end",
        "but SVG",
        "but GIF",
        "the upload is empty",
        "cut short",
        "holds no picture",
    ):
        assert any(words in text for text in refused), words


def test_fuzzed_uploads_are_let_in_whole_or_refused() -> None:
    kinds, said = {"let in": 0, "refused": 0}, set()
    for data in hostile(1500, seed=1):
        try:
            upload = inspect(data, 1 << 20)
            picture = decode(upload)
            assert picture.ndim == 3
            assert picture.shape[0] * picture.shape[1] == upload.height * upload.width <= 1 << 20
            kinds["let in"] += 1
        except Refused as error:
            kinds["refused"] += 1
            said.add(str(error))
    assert min(kinds.values()) > 100
    assert not [text for text in said if "\n" in text]


def test_a_service_outlives_hostile_uploads(url: str) -> None:
    tally = fuzz(Client(url), 150, "torch")
    assert not tally.wrong
    assert sum(tally.statuses.values()) == 150
    assert set(tally.statuses) <= {200, 413, 415, 422}
    assert Client(url).segment(png(PICTURE), backend="torch")[0] == 200


def test_fifty_clients_lose_no_answer(url: str) -> None:
    tally = load(Client(url), 50, 1.0, ["torch"])
    assert not tally.wrong
    assert tally.statuses[200] == sum(tally.statuses.values()) >= 50


def test_pixels_at_work_are_bounded() -> None:
    """However many ask at once, no more pictures are decoded than the budget has pixels for."""
    working, most, lock = [0], [0], threading.Lock()
    gate = threading.Event()

    class Counting(FakeEngine):
        def segment(self, picture, model, protocol):  # type: ignore[no-untyped-def]
            with lock:
                working[0] += 1
                most[0] = max(most[0], working[0])
            return super().segment(picture, model, protocol)

    def slow(picture: np.ndarray) -> np.ndarray:
        gate.wait(30)
        with lock:
            working[0] -= 1
        return bands(picture)

    limits = Limits(pixels_at_work=3 * 48 * 64)
    with running({"torch": Counting("PyTorch", slow)}, limits) as address, ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(Client(address).segment, png(PICTURE)) for _ in range(12)]
        deadline = time.monotonic() + 30
        while most[0] < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        gate.set()
        assert [answer.result()[0] for answer in answers] == [200] * 12
    assert most[0] == 3


def test_health_tells_what_is_missing() -> None:
    engines = {"torch": FakeEngine("PyTorch", bands), "mxnet": FakeEngine("MXNet", bands)}
    with running(engines) as address:
        client = Client(address)
        assert json.loads(client.ask("GET", "/health")[1])["status"] == "ok"
        engines["mxnet"].problem = "is not installed"
        status, found = client.ask("GET", "/health")
        assert (status, json.loads(found)) == (
            200,
            {"status": "degraded", "backends": {"torch": "ready", "mxnet": "is not installed"}},
        )
        engines["torch"].problem = "is not installed"
        assert client.ask("GET", "/health")[0] == 503


def test_run_lengths_of_edges() -> None:
    assert run_lengths(np.zeros((2, 3), np.uint8)) == {0: [0, 6]}
    assert run_lengths(np.array([[0, 1], [1, 1]], np.uint8)) == {0: [0, 1, 3], 1: [1, 3]}
