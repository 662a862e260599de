"""The bytes of a file that tensors are views of, and their checksum."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from convert.checksum import crc32
from convert.errors import CheckpointError
from convert.files import PIECE, HeldBytes, Stretch


@dataclass(frozen=True, eq=False)
class Storage:
    """Bytes of a file that one array or several are views of.

    Attributes:
        stretch: where they lie.
        crc: their CRC-32, where the file has it.
        name: what messages call them.
    """

    stretch: Stretch
    crc: int | None = None
    name: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _sums: list[int] = field(default_factory=list, repr=False)

    @property
    def nbytes(self) -> int:
        return self.stretch.nbytes

    @property
    def prefix(self) -> str:
        """What a message about it begins with."""
        return f"{self.stretch.file.path}: "

    def read_into(self, position: int, target: memoryview) -> None:
        """Fills the target with bytes of which the whole's checksum was taken before, and a sum of each block with it.

        Raises:
            CheckpointError: the checksum of the whole is not the file's, or a block is no longer what it was.
        """
        if self.crc is None:
            self.stretch.read_into(position, target)
            return
        sums = self._sums_of_blocks()
        end = position + target.nbytes
        for start in range(position - position % PIECE, end, PIECE):
            block = self._block(start)
            if crc32(block, 0) != sums[start // PIECE]:
                raise self.damage()
            first, last = max(start, position), min(start + PIECE, end)
            target[first - position : last - position] = block[first - start : last - start]

    def read(self) -> memoryview:
        """All of the bytes, checked; without a copy where they are in memory."""
        if isinstance(self.stretch.file, HeldBytes):
            content = self.stretch.read(0, self.nbytes)
            if self.crc is not None and crc32(content, 0) != self.crc:
                raise self.damage()
            return content
        content, checksum = np.empty(self.nbytes, np.uint8).data, 0
        for start in range(0, self.nbytes, PIECE):
            block = content[start : start + PIECE]
            self.stretch.read_into(start, block)
            checksum = crc32(block, checksum) if self.crc is not None else 0
        if checksum != (self.crc or 0):
            raise self.damage()
        return content.toreadonly()

    def damage(self) -> CheckpointError:
        """What to raise where the checksum does not fit; a file that is being written is told as such."""
        self.stretch.file.check_unchanged()
        return CheckpointError(f"{self.prefix}{self.name} fails its checksum: the file is damaged; fetch it again")

    def _sums_of_blocks(self) -> list[int]:
        with self._lock:
            if not self._sums:
                sums, checksum = [], 0
                for start in range(0, self.nbytes, PIECE):
                    block = self._block(start)
                    sums.append(crc32(block, 0))
                    checksum = crc32(block, checksum)
                if checksum != self.crc:
                    raise self.damage()
                self._sums.extend(sums)
            return self._sums

    def _block(self, start: int) -> memoryview:
        return self.stretch.read(start, PIECE)
