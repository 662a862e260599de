"""The two frameworks, by the names that every other module calls them."""

from __future__ import annotations

FRAMEWORKS = ("torch", "paddle")
