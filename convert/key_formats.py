"""From the keys that a checkpoint uses to the official names.

The official code's keys are the names of the parameter table. Training in parallel puts `module.` before each.
"""

from __future__ import annotations

from collections.abc import Iterable

PARALLEL = "module."  # torch.nn.parallel.DistributedDataParallel's attribute


def official_names(keys: Iterable[str]) -> dict[str, str]:
    """Official name to the checkpoint's own key, in the checkpoint's order.

    A prefix is taken off only where every key has it, so that no two keys can meet under one name.
    """
    keys = list(keys)
    prefix = PARALLEL if keys and all(key.startswith(PARALLEL) for key in keys) else ""
    return {key.removeprefix(prefix): key for key in keys}
