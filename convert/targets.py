"""What `--to` names: in whose keys a target may be written, for which framework, and as that library's own files lie.

official, timm, torchvision and transformers read what is written for them by their own loaders; tests hold that.
mmengine is read as mmengine/runner/checkpoint.py of https://github.com/open-mmlab/mmengine at 03f90c3 states it: the
weights are what stands under `state_dict`, `meta` is looked into beside them, and an envelope that it does not know is
taken for the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convert.frameworks import FRAMEWORKS, PADDLE, TORCH


@dataclass(frozen=True)
class Envelope:
    """What a file of torch.save holds besides the tensors.

    Attributes:
        key: under which the state dict stands; "" where it is the whole content.
        beside: keys of empty dictionaries that stand before it.
    """

    key: str = ""
    beside: tuple[str, ...] = ()


BARE = Envelope()
AUTHORS = Envelope("model")  # main.py of https://github.com/facebookresearch/ConvNeXt at 048efce
MMENGINE = Envelope("state_dict", beside=("meta",))


@dataclass(frozen=True)
class Target:
    """In whose keys a target may be written.

    Attributes:
        name: of the library, as on the command line.
        frameworks: that its files may be for; where a container leaves it open, the first is meant.
        envelope: of its `.pth`.
    """

    name: str
    frameworks: tuple[str, ...]
    envelope: Envelope = BARE


OFFICIAL = Target("official", FRAMEWORKS, AUTHORS)
TARGETS = (
    OFFICIAL,
    Target("timm", (TORCH,)),
    Target("torchvision", (TORCH,)),
    Target("transformers", (TORCH,)),
    Target("mmpretrain", (TORCH,), MMENGINE),
    Target("paddleclas", (PADDLE,)),
    Target("paddleclas_wsl", (PADDLE,)),
    Target("paddlevit", (PADDLE,)),
)
TARGET_NAMES = tuple(target.name for target in TARGETS)


def target_named(name: str) -> Target:
    """The row of that name, the official one for ""; of a name without a row one that nothing can be written by."""
    if not name:
        return OFFICIAL
    return next((target for target in TARGETS if target.name == name), Target(name, (TORCH,)))


def fellows(name: str) -> Iterator[str]:
    """Names of the targets that may stand in that one's place: for its framework, it among them."""
    frameworks = target_named(name).frameworks
    return (target.name for target in TARGETS if frameworks[0] in target.frameworks)
