"""From the keys that a checkpoint uses to the official names, and back. What format they are in is never guessed."""

from __future__ import annotations

from convert.key_formats.naming import Named, eps_to_tell, name_officially, names_for

__all__ = ["Named", "eps_to_tell", "name_officially", "names_for"]
