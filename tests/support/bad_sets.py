"""What every validation set that is no good has: how it is made, and what is said of it.

A file a layout: bad_class_folders, bad_lists, bad_devkits, bad_tars, bad_parquets. Each set is read for a model of 1000
classes unless its name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

# What makes the set in its folder, and the message, in which `{root}` stands for the folder and `{name}` for its name.
Case = tuple[Callable[[Path], object], str]

HINT = "--unlabelled compares predictions without labels"
