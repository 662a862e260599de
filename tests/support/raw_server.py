"""A server on loopback that sends bytes as they are given, whatever HTTP has to say of them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

Answer = Callable[[], Iterable[bytes]]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """The address of a server that sends the pieces of an answer to whoever asks, each time anew."""
    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answer, closing))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            closing.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, answer: Answer, closing: threading.Event) -> None:
    while not closing.is_set():
        with contextlib.suppress(OSError):  # of a client that has gone, and of the server's own end
            client, _ = listening.accept()
            with client:
                client.recv(1 << 16)
                for piece in answer():
                    if closing.is_set():
                        break
                    client.sendall(piece)


def head(*lines: str) -> bytes:
    """The head of an answer with status 200."""
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """One piece of a body that is sent in chunks."""
    return b"%x\r\n%s\r\n" % (len(data), data)
