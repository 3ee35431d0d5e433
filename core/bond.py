"""Processes that end together, where a framework's own do not notice that one of them is gone.

One process holds the bond at an address that all know; the others join. Each says so when its work is done; one that
disappears without having said it ends all the others, within seconds, with a sentence.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import time

DONE = b"done\n"
PATIENCE = 30.0  # seconds in which the holder must have come up


def _end(sentence: str) -> None:
    """Of this process, at once: its other threads wait for processes that are gone."""
    with contextlib.suppress(Exception):
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    os._exit(2)


class Holder:
    """Listens at a port of this machine, in threads of its own."""

    def __init__(self, port: int) -> None:
        self._members: dict[socket.socket, str] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        received = b""
        with contextlib.suppress(OSError):
            while not received.endswith(DONE):
                part = connection.recv(4096)
                if not part:
                    break
                received += part
                with self._lock:
                    self._members[connection] = received.partition(b"\n")[0].decode(errors="replace")
        with self._lock:
            name = self._members.pop(connection, "a process")
            if received.endswith(DONE):
                return
            for member in self._members:
                with contextlib.suppress(OSError):
                    member.sendall(name.encode() + b"\n")
        _end(_lost(name))


class Member:
    """Joins the bond at an address. `leave` when the work is done; an end without it ends all."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self._left = False
        self._connection = _reach(host, port)
        self._connection.sendall(name.encode() + b"\n")
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self._abandon)

    def leave(self) -> None:
        if not self._left:
            self._left = True
            with contextlib.suppress(OSError):
                self._connection.sendall(DONE)

    def _listen(self) -> None:
        said = b""
        with contextlib.suppress(OSError):
            said = self._connection.recv(4096)
        if not self._left:
            self._left = True
            _end(_lost(said.decode(errors="replace").strip() or "the scheduler"))

    def _abandon(self) -> None:
        """At the end of a process that has not left: a library's own end would wait for the others."""
        if not self._left:
            self._left = True
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(2)


def _reach(host: str, port: int) -> socket.socket:
    """A connection, tried for a while: processes start in any order. Raises OSError."""
    last = time.monotonic() + PATIENCE
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=PATIENCE)
            connection.settimeout(None)
            return connection
        except OSError:
            if time.monotonic() > last:
                raise
            time.sleep(0.1)


def _lost(name: str) -> str:
    return (
        f"{name} of this run has ended, and this process with it; look at what it said, and go on from the last "
        "checkpoint with --resume"
    )
