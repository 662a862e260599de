"""What a table's rules call a tensor in Paddle where its own line does not say it."""

from __future__ import annotations

from collections.abc import Sequence

from convert.key_formats.rules import Rule


class Namer:
    """The names in Paddle that rules give.

    Args:
        rules: templates of names in PyTorch and in Paddle; the first that fits counts.
    """

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        self._rules = [Rule(official, theirs) for official, theirs in rules]

    def paddle_name(self, torch_name: str) -> str:
        """The name in Paddle; the same as in PyTorch where no rule fits."""
        names = (rule.from_official(torch_name) for rule in self._rules)
        return next((name for name in names if name), torch_name)
