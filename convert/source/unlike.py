"""What a file is whose tensors are no known network's as they stand: said in place of how many names are apart."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from convert.archs import ARCHS, ArchSpec
from convert.checkpoints.finding import Step
from convert.errors import FerryError, shown
from convert.frameworks import FRAMEWORKS, PADDLE
from convert.params import STATISTICS, Shape
from convert.source.other_families import name_family
from convert.source.recognise import distance, recognise_arch
from convert.state_dict import expected_shapes

Shapes = Mapping[str, Shape]

SHARD = re.compile(r"(?P<stem>.+)-(?P<part>[0-9]{1,6})-of-(?P<parts>[0-9]{1,6})(?P<suffix>\.[a-z]+)")
NUMBERED_BLOCK = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){0,4})\.dwconv\.weight")
PART = 0.1  # of the tensors; a checkpoint that lacks fewer lacks something, and is no part of one

# In which framework the file is what its tensors say, and how to save it so.
LOADED = {
    PADDLE: "import paddle, torch; torch.save({{k: torch.from_numpy(v) for k, v in {content}.items()}}, {saved})",
    "torch": "import paddle, torch; paddle.save({{k: v.numpy() for k, v in {content}.items()}}, {saved})",
}
LOADERS = {PADDLE: "paddle.load({path}, return_numpy=True)", "torch": 'torch.load({path}, map_location="cpu")'}
SUFFIXES = {PADDLE: ".pth", "torch": ".pdparams"}
LAYOUTS = {PADDLE: "PyTorch's, (out, in), in a Paddle file", "torch": "Paddle's, (in, out), in a PyTorch file"}


def describe_keys(path: Path, shapes: Shapes) -> str:
    """What a file is in whose keys no key format is found; "" where that is not known."""
    if shard := describe_shard(path):
        return shard
    if lost := _lost_names(shapes):
        return lost
    return _describe_family(shapes)


def _describe_family(shapes: Shapes) -> str:
    family = name_family(shapes)
    article = "an" if family[:1] in "AEIOU" else "a"
    return (
        f"is {article} {family}, which has no table here; `convert --list` prints what can be converted"
        if family
        else ""
    )


def _lost_names(shapes: Shapes) -> str:
    """What is said of MindSpore's file of a network whose layers were given the same names; "" of any other."""
    blocks = {match[1] for key in shapes if (match := NUMBERED_BLOCK.fullmatch(key))}
    shared = sorted(block for block in blocks if {f"{block}.weight", f"{block}.beta"} & shapes.keys())
    if not shared:
        return ""
    return (
        f"cannot be recovered: {shared[0]!r} is the name of a block and of another layer, as MindSpore names cells "
        "that are appended to empty CellLists; of each name the file has one tensor, and the others are lost "
        f"({len(shapes)} are left); give every cell a name of its own, and train and save the network anew"
    )


def describe_shard(path: Path) -> str:
    """What is said of one of the files of a sharded checkpoint; "" of any other."""
    match = SHARD.fullmatch(path.name)
    if not match or int(match["parts"]) < 2:
        return ""
    index = path.with_name(f"{match['stem']}{match['suffix']}.index.json")
    give = (
        f"give {index}" if index.exists() else f"put {shown(index.name)} and the other parts beside it, and give that"
    )
    return f"is part {int(match['part'])} of {int(match['parts'])} of a checkpoint; {give}"


def describe_tensors(path: Path, shapes: Shapes, frameworks: Sequence[str], steps: Sequence[Step]) -> str:
    """What a file is of which no architecture has the tensors; "" where that is not known.

    Args:
        path: the file.
        shapes: official names to shapes.
        frameworks: whose layout they may be in.
        steps: the keys that lead to the state dict.
    """
    if shard := describe_shard(path):
        return shard
    if _is_megengines(shapes):
        return "is a checkpoint of MegEngine, whose batch norms are (1, C, 1, 1); give the same network's PyTorch file"
    for other in set(FRAMEWORKS) - set(frameworks):
        try:
            spec, _ = recognise_arch(shapes, (other,))
        except FerryError:
            continue
        return describe_transposed(path, spec, shapes, frameworks[0], steps)
    return _describe_part(shapes, frameworks) or _describe_family(shapes)


def _is_megengines(shapes: Shapes) -> bool:
    """Whether the statistics of batch norms have four axes, as megengine.module.BatchNorm2d keeps them."""
    means = [shape for name, shape in shapes.items() if name.rpartition(".")[2] == STATISTICS[0]]
    return bool(means) and all(len(shape) == 4 and (shape[0], *shape[2:]) == (1, 1, 1) for shape in means)


def describe_transposed(path: Path, spec: ArchSpec, shapes: Shapes, framework: str, steps: Sequence[Step]) -> str:
    """What is said of a file in which every Linear has the other framework's layout; "" of any other.

    Args:
        path: the file.
        spec: its architecture.
        shapes: official names to shapes.
        framework: whose layout they should have.
        steps: the keys that lead to the state dict.
    """
    (other,) = set(FRAMEWORKS) - {framework}
    if not distance(spec, shapes, framework) or distance(spec, shapes, other):
        return ""
    expected = expected_shapes(spec, framework)
    odd = next(name for name, shape in shapes.items() if expected.get(name, shape) != shape)
    content = LOADERS[framework].format(path=_text(path)) + "".join(f"[{json.dumps(step)}]" for step in steps)
    saved = path.with_name(f"{path.stem}_as_it_is{SUFFIXES[framework]}")
    code = LOADED[framework].format(content=content, saved=_text(saved))
    return (
        f"every Linear is transposed: the layout of {odd}, {shapes[odd]}, is {LAYOUTS[framework]}; "
        f"as what it is it can be saved by: python -c {shlex.quote(code)}"
    )


def _describe_part(shapes: Shapes, frameworks: Sequence[str]) -> str:
    """What is said of a file that has a good part of an architecture's tensors, and nothing else."""
    specs = [arch.fitted_to(shapes) for arch in ARCHS.values()]
    tables = [(spec.name, expected_shapes(spec, framework)) for spec in specs for framework in frameworks]
    parts = [(len(table), name) for name, table in tables if shapes.items() <= table.items()]
    if not parts or not shapes:
        return ""
    count, name = min(parts)
    if count - len(shapes) < count * PART:
        return ""
    return (
        f"holds {len(shapes)} of the {count} tensors of {name}, and nothing else: a part of a checkpoint; "
        "give the whole one, or the index of its parts"
    )


def _text(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
