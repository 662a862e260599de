"""Images that end whoever reads them; in a module of their own, so that a decoder's process finds it by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class EndingBlob:
    """An image at which a process ends by a signal, as by a fault of a library."""

    signal: int

    def read(self) -> bytes:
        """Does not return."""
        os.kill(os.getpid(), self.signal)
        raise AssertionError("still there")


@dataclass(frozen=True)
class EndlessBlob:
    """An image that is computed at for ever."""

    def read(self) -> bytes:
        """Does not return."""
        while True:
            pass
