"""Several stretches of a file as one, for a tensor that a container keeps in slices."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from convert.files import PIECE, ByteFile, Stretch, whole


@dataclass(frozen=True, eq=False)
class Slices:
    """The bytes of stretches of one file, one after the other.

    Attributes:
        parts: the stretches, in the order of their bytes.
    """

    parts: tuple[Stretch, ...]

    @property
    def path(self) -> Path:
        """What the user calls the file that they lie in."""
        return self.parts[0].file.path

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(part.nbytes for part in self.parts)

    def read(self, position: int, count: int) -> memoryview:
        """So many bytes from there, a copy."""
        target = memoryview(bytearray(count))
        self.read_into(position, target)
        return target.toreadonly()

    def read_into(self, position: int, target: memoryview) -> None:
        """Fills the target with the bytes from there."""
        for part in self.parts:
            if position < part.nbytes and target.nbytes:
                count = min(part.nbytes - position, target.nbytes)
                part.read_into(position, target[:count])
                position, target = part.nbytes, target[count:]
            position -= part.nbytes

    def check_unchanged(self) -> None:
        """Raises UnreadableSource where the file is no longer the one that was opened."""
        self.parts[0].file.check_unchanged()

    def sha256(self) -> str:
        """Digest of all the bytes, hexadecimal."""
        digest = hashlib.sha256()
        for position in range(0, self.size, PIECE):
            digest.update(self.read(position, min(PIECE, self.size - position)))
        return digest.hexdigest()

    def beside(self, name: str) -> ByteFile:
        """The file of that name in the same folder."""
        return self.parts[0].file.beside(name)


def joined(parts: tuple[Stretch, ...]) -> Stretch:
    """Those stretches as one; a single one is itself."""
    return parts[0] if len(parts) == 1 else whole(Slices(parts))
