"""The clients of a socket: all of them are read and written at once, in one thread; each sends a line and gets one."""

import selectors
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from select import poll

from core.jobs.warm.protocol import MOST_REQUEST

CLIENT_SECONDS = 3.0  # that a client may take to send its line, and to take the answer
_MOST = 64  # at once; others wait in the kernel's queue
_BLOCK = 1 << 16  # bytes


@dataclass(eq=False)
class Client:
    """A connection. `since`: when it came, or when its answer was there, on the monotonic clock."""

    connection: socket.socket
    since: float
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)

    @property
    def gone(self) -> bool:
        """Whether it hung up."""
        look = poll()
        look.register(self.connection, 0)
        return bool(look.poll(0))


class Clients:
    """Those who talk, those whose line is complete and who wait for their turn, and those who take their answer."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._talking: set[Client] = set()
        self._waiting: deque[Client] = deque()
        self._listening = False

    @property
    def sending(self) -> bool:
        return any(client.outbox for client in self._talking)

    def exchange(self, seconds: float) -> None:
        """Read and write what can be, and wait up to `seconds` for it where nobody waits; drop who is too slow."""
        self._listen()
        for key, events in self._selector.select(0 if self._waiting else seconds):
            client: Client | None = key.data
            if client is None:
                self._accept()
                continue
            try:
                (self._read if events & selectors.EVENT_READ else self._write)(client)
            except OSError:
                self.drop(client)
        late = time.monotonic() - CLIENT_SECONDS
        for client in [client for client in self._talking if client.since < late]:
            self.drop(client)

    def next(self) -> Client | None:
        """The one who has waited longest and is still there."""
        while self._waiting:
            client = self._waiting.popleft()
            if not client.gone:
                return client
            client.connection.close()
        return None

    def answer(self, client: Client, line: bytes) -> None:
        """Give a client from `next` its answer, as it takes it."""
        client.outbox, client.since = bytearray(line), time.monotonic()
        self._talking.add(client)
        self._selector.register(client.connection, selectors.EVENT_WRITE, client)

    def drop(self, client: Client) -> None:
        if client in self._talking:
            self._talking.remove(client)
            self._selector.unregister(client.connection)
        client.connection.close()

    def _listen(self) -> None:
        wanted = len(self._talking) + len(self._waiting) < _MOST
        if wanted and not self._listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._listening and not wanted:
            self._selector.unregister(self._listener)
        self._listening = wanted

    def _accept(self) -> None:
        with suppress(OSError):
            client = Client(self._listener.accept()[0], time.monotonic())
            client.connection.setblocking(False)
            self._talking.add(client)
            self._selector.register(client.connection, selectors.EVENT_READ, client)

    def _read(self, client: Client) -> None:
        block = client.connection.recv(_BLOCK)
        client.inbox += block
        if not block or len(client.inbox) > MOST_REQUEST:
            self.drop(client)
        elif client.inbox.endswith(b"\n"):
            self._talking.remove(client)
            self._selector.unregister(client.connection)
            self._waiting.append(client)

    def _write(self, client: Client) -> None:
        del client.outbox[: client.connection.send(client.outbox)]
        if not client.outbox:
            self.drop(client)
