"""Which values may be keys of a dict: looking them up must cost no more than their bytes, in any reader.

The hash of a number, and of a tuple of numbers, is known beforehand, so that a file of 1.5 MB can have keys which cost
minutes: each collides with all before. The hash of a text is not known. The frameworks' readers hash whatever stands in
a file; one that would keep them busy is refused here.
"""

from __future__ import annotations

from typing import Any

from convert.checkpoints.pickle_globals import Global, Inert, kind_of
from convert.files import Stretch

MAX_INT = 2**61 - 2  # two numbers below the modulus of Python's hash, 2^61 - 1, have two hashes; -1 and -2 apart
MAX_NUMBERS = 20_000  # in a file; an optimizer's state has one a parameter
MAX_ODD = 1_000  # in a file, of other kinds than texts, small whole numbers, True, False and None
MAX_ELEMENTS = 250_000  # of all sets in a file
PLAIN = (int, float, str, bool, type(None))


class OddKey:
    """Stands in a dict for a key that no state dict has. Each is a key of its own.

    Args:
        kind: what the key is.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class Keys:
    """Counts the keys and the elements of sets in one file.

    Args:
        odd: whether keys of other kinds than texts, whole numbers, True, False and None may stand beside the weights.
    """

    def __init__(self, *, odd: bool) -> None:
        self._may_be_odd = odd
        self._numbers = self._odd = self._elements = 0

    def checked(self, key: Any) -> Any:
        """The key, or what stands for it; a ValueError where it may be none."""
        if isinstance(key, str | bool) or key is None:
            return key
        if isinstance(key, int):
            return self._number(key)
        if not self._may_be_odd or not _is_hashable(key):
            raise ValueError(f"a dict key of type {kind_of(key)}")
        self._odd += 1
        if self._odd > MAX_ODD:
            raise ValueError(f"more than {MAX_ODD:,} keys that are neither texts nor whole numbers")
        return OddKey(kind_of(key))

    def check_elements(self, elements: Any) -> None:
        """Raises ValueError unless a set may have those elements."""
        self._elements += len(elements)
        if self._elements > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS:,} elements of sets")
        for element in elements:
            self.checked(element)

    def _number(self, key: int) -> int:
        if abs(key) > MAX_INT:
            raise ValueError("a dict key that is a whole number of more than 61 bits")
        self._numbers += 1
        if self._numbers > MAX_NUMBERS:
            raise ValueError(f"more than {MAX_NUMBERS:,} keys that are whole numbers")
        return key


def _is_hashable(key: Any) -> bool:
    """Whether it has a hash. A tuple in a tuple is refused: two hundred opcodes make one of 2^200 elements."""
    if isinstance(key, tuple):
        return len(key) <= 16 and all(isinstance(element, (*PLAIN, Inert)) for element in key)
    return isinstance(key, float | Stretch | Inert | Global)
