"""Load and hostile uploads for a service that runs: `python -m benchmarks.service load|fuzz --url http://127.0.0.1:8000`.

`load`: so many clients at once, each sending picture after picture; every one must be answered. `fuzz`: uploads that
are broken, cut, spliced and lie about their size; each must be answered with a picture or one sentence, and the service
must work afterwards. Both print counts, and the memory of the service and its workers where it runs on this machine.
Exit status 1 where an answer was lost or wrong.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import cv2
import numpy as np

Encoded = Callable[[np.ndarray], bytes]


@dataclass
class Tally:
    """What came back: counts by status, seconds of each answer, what went wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: int, seconds: float, wrong: str | None) -> None:
        with self.lock:
            self.statuses[status] += 1
            self.seconds.append(seconds)
            if wrong is not None:
                self.wrong.append(wrong)

    def summary(self) -> dict[str, object]:
        ordered = sorted(self.seconds) or [0.0]
        return {
            "answers": sum(self.statuses.values()),
            "by status": {str(status): count for status, count in sorted(self.statuses.items())},
            "lost or wrong": len(self.wrong),
            "median s": round(statistics.median(ordered), 3),
            "p99 s": round(ordered[int(0.99 * (len(ordered) - 1))], 3),
        }


class Client:
    """One connection after another to a service."""

    def __init__(self, url: str, timeout: float = 300) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.timeout = parts.hostname or "127.0.0.1", parts.port or 80, timeout

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and content. Raises OSError or HTTPException where there is no answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def segment(self, picture: bytes, **query: str) -> tuple[int, bytes]:
        return self.ask("POST", f"/api/segment?{urlencode(query)}", picture)


def pictures(count: int, size: tuple[int, int] = (96, 128)) -> list[np.ndarray]:
    """Smooth random pictures, uint8 [H, W, 3]."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    return [cv2.resize(one, size[::-1], interpolation=cv2.INTER_CUBIC) for one in small]


def png(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])


def jpeg(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", picture)[1])


def webp(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".webp", picture)[1])


def load(client: Client, clients: int, seconds: float, backends: Sequence[str]) -> Tally:
    """`clients` at once for `seconds`. Each answer must be a label map of the picture's size, or it is wrong."""
    tally, sent = Tally(), [png(picture) for picture in pictures(8)]
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        turn = number
        while time.monotonic() < end:
            start = time.monotonic()
            backend = backends[turn % len(backends)]
            try:
                status, answer = client.segment(sent[turn % len(sent)], backend=backend, format="label")
                tally.add(status, time.monotonic() - start, _wrong_label(status, answer))
            except (OSError, http.client.HTTPException) as error:
                tally.add(0, time.monotonic() - start, f"{backend}: {type(error).__name__}: {error}")
            turn += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _wrong_label(status: int, answer: bytes) -> str | None:
    if status != 200:
        return f"{status}: {answer[:200]!r}"
    labels = cv2.imdecode(np.frombuffer(answer, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if labels is not None and labels.shape == (96, 128) else "not a label map of the picture's size"


def hostile(count: int, seed: int = 0) -> Iterator[bytes]:
    """Uploads nobody should send: constructed ones first, then mutations of good files."""
    rng = np.random.default_rng(seed)
    good = [encode(picture) for picture in pictures(3, (40, 56)) for encode in (png, jpeg, webp)]
    made = [*constructed(good[0], good[1])]
    for number in range(count):
        if number < len(made):
            yield made[number]
        else:
            yield _mutated(bytearray(good[int(rng.integers(len(good)))]), good, rng)


def constructed(small_png: bytes, small_jpeg: bytes) -> Iterator[bytes]:
    """Bombs, polyglots, pages and archives that call themselves pictures."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    yield (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + _chunk(b"IEND", b"")
    )
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    yield (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(1 << 24)))
        + _chunk(b"IEND", b"")
    )
    bomb = b"x\x00\x00" + zlib.compress(bytes(1 << 24))
    yield small_png[:33] + _chunk(b"zTXt", bomb) + small_png[33:]
    yield small_png + b"PK\x03\x04" + bytes(200)
    yield small_jpeg + b"<script>alert(1)</script>"
    yield b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    yield b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><svg>&b;</svg>"
    yield b"GIF89a" + bytes(100)
    yield b""
    yield b"\x89PNG\r\n\x1a\n"
    yield b"\xff\xd8\xff\xd9"
    yield small_jpeg[: len(small_jpeg) // 2]
    yield small_png[:-12]


def _png_file(header: bytes, pixels: bytes) -> bytes:
    packed = _chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + packed + _chunk(b"IEND", b"")


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _mutated(data: bytearray, good: Sequence[bytes], rng: np.random.Generator) -> bytes:
    for _ in range(int(rng.integers(1, 5))):
        kind, place = int(rng.integers(6)), int(rng.integers(max(len(data), 1)))
        if kind == 0 and data:
            data[place] = int(rng.integers(256))
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = rng.bytes(int(rng.integers(1, 40)))
        elif kind == 3:
            other = good[int(rng.integers(len(good)))]
            data[place:] = other[int(rng.integers(len(other))) :]
        elif kind == 4 and len(data) > 33:
            data[16:24] = rng.bytes(8)  # a PNG's size, with a checksum that fits
            data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
        else:
            del data[place : place + int(rng.integers(1, 30))]
    return bytes(data)


def fuzz(client: Client, count: int, backend: str, clients: int = 4) -> Tally:
    """Sends hostile uploads; an answer must be a label map, or a sentence without a path of the server."""
    tally, uploads, lock = Tally(), hostile(count), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                upload = next(uploads, None)
            if upload is None:
                return
            start = time.monotonic()
            try:
                status, answer = client.segment(upload, backend=backend, format="label")
                tally.add(status, time.monotonic() - start, wrong_refusal(status, answer))
            except (OSError, http.client.HTTPException) as error:
                tally.add(0, time.monotonic() - start, f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def wrong_refusal(status: int, answer: bytes) -> str | None:
    """What is wrong with an answer to a hostile upload, or None."""
    if status == 200:
        return None if cv2.imdecode(np.frombuffer(answer, np.uint8), cv2.IMREAD_UNCHANGED) is not None else "no picture"
    if status not in (408, 413, 415, 422):
        return f"status {status}: {answer[:200]!r}"
    text = json.loads(answer).get("error", "")
    return None if text and "\n" not in text and "/" not in text else f"no sentence, or one with a path: {text!r}"


def resident_mib(pid: int) -> float:
    """The resident memory of a process and its children, MiB."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
            if int(folder.name) == pid or int(status["PPid"]) == pid:
                total += int(status.get("VmRSS", "0 kB").split()[0]) / 1024
        except (OSError, KeyError, ValueError):
            continue
    return round(total, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    command = argparse.ArgumentParser(prog="python -m benchmarks.service", description=(__doc__ or "").splitlines()[0])
    command.add_argument("what", choices=("load", "fuzz"))
    command.add_argument("--url", default="http://127.0.0.1:8000")
    command.add_argument("--clients", type=int, default=50)
    command.add_argument("--seconds", type=float, default=120)
    command.add_argument("--count", type=int, default=10_000, help="hostile uploads")
    command.add_argument("--pid", type=int, help="of the service: its memory is told")
    options = command.parse_args(arguments)
    client = Client(options.url)
    status, answer = client.ask("GET", "/health")
    backends = [name for name, state in json.loads(answer)["backends"].items() if state in ("ready", "starting")]
    if status != 200 or not backends:
        print(f"error: the service has no framework that answers: {answer.decode()}", file=sys.stderr)
        return 2
    for backend in backends:  # each opens the weights once
        client.segment(png(pictures(1)[0]), backend=backend, format="label")
    before = resident_mib(options.pid) if options.pid else None
    if options.what == "load":
        tally = load(client, options.clients, options.seconds, backends)
    else:
        tally = fuzz(client, options.count, backends[0])
    told = tally.summary()
    if options.pid:
        told["memory MiB, before and after"] = [before, resident_mib(options.pid)]
    print(json.dumps(told, indent=1))
    for wrong in tally.wrong[:10]:
        print(wrong, file=sys.stderr)
    return int(bool(tally.wrong) or client.ask("GET", "/health")[0] != 200)


if __name__ == "__main__":
    sys.exit(main())
