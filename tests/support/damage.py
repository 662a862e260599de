"""Seeded damage to the bytes of a file: each kind is done to a copy, at a place in it."""

from __future__ import annotations

import random
import re


def _flip(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] ^= 1 << rng.randrange(8)


def _set(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x2E, rng.randrange(256), rng.choice(data)))


def _cut(data: bytearray, place: int, rng: random.Random) -> None:  # noqa: ARG001 - one signature for all damages
    del data[place:]


def _remove(data: bytearray, place: int, rng: random.Random) -> None:
    del data[place : place + rng.choice((1, 2, 4, 8, 60))]


def _insert(data: bytearray, place: int, rng: random.Random) -> None:
    data[place:place] = rng.randbytes(rng.choice((1, 2, 4, 8, 60)))


def _repeat(data: bytearray, place: int, rng: random.Random) -> None:
    data[place:place] = data[place : place + rng.choice((1, 4, 16, 200))] * rng.choice((1, 1, 2, 50))


def _copy(data: bytearray, place: int, rng: random.Random) -> None:
    size, source = rng.choice((1, 4, 16, 100)), rng.randrange(len(data))
    data[place : place + size] = data[source : source + size]


def _swap(data: bytearray, place: int, rng: random.Random) -> None:
    size, partner = rng.choice((1, 2, 4, 16, 100)), rng.randrange(len(data))
    first, second = sorted((place, partner))
    size = min(size, second - first, len(data) - second)
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )


def _tweak(data: bytearray, place: int, rng: random.Random) -> None:
    width = rng.choice((1, 2, 4, 8))
    number = int.from_bytes(data[place : place + width], "little")
    values = (number + 1, number - 1, 2 * number, -number, 0, 1 << (8 * width - 1), (1 << 8 * width) - 1, len(data))
    data[place : place + width] = (rng.choice(values) % (1 << 8 * width)).to_bytes(width, "little")


def _tweak_digits(data: bytearray, place: int, rng: random.Random) -> None:
    if digits := re.compile(rb"[0-9]+").search(data, place):
        number = int(digits[0][:20])
        values = (number + 1, number - 1, 0, 10**9, 1 << 31, 1 << 63, 10**30, -number, number * 10, 0.5)
        data[digits.start() : digits.end()] = str(rng.choice(values)).encode()


DAMAGE = (_flip, _flip, _flip, _set, _set, _cut, _remove, _insert, _repeat, _copy, _swap, _tweak, _tweak, _tweak_digits)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to three pieces of damage."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if changed:
            rng.choice(DAMAGE)(changed, rng.randrange(len(changed)), rng)
    return bytes(changed)
