"""Types of command-line arguments that both commands take."""

from __future__ import annotations

import argparse

MAX_DIGITS = 9


def positive(text: str) -> int:
    """A whole number above 0; argparse tells the user what is wrong with another text."""
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:20]} is too large: {MAX_DIGITS} digits are the limit")
    return int(text)
