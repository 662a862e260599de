"""Which outputs of a model with more classes are ImageNet's 1000: only by an explicit table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.items import DatasetError
from verify.datasets.texts import number_of, read_lines


def read_class_map(path: Path, num_classes: int, *, count: int = imagenet.CLASSES) -> npt.NDArray[np.int64]:
    """The output of each of the data's classes.

    Args:
        path: one of three: `wordnet_id index` on each of 1000 lines in any order; one index a line in label order; or
            the WordNet id of every output, as many lines as the model has classes (timm's imagenet22k_synsets.txt).
        num_classes: of the model.
        count: classes of the data.

    Returns:
        (count,) indices, distinct and each below num_classes: `logits[:, indices]` are the data's classes in order.

    Raises:
        DatasetError: a line that is none of these, an index out of range or twice, a class missing.
    """
    lines = read_lines(path)
    rows = [line.split() for line in (lines[:-1] if lines[-1] == "" else lines)]
    widths = {len(row) for row in rows}
    if widths == {2}:
        outputs = _outputs_by_id(path, [(row[0], row[1]) for row in rows])
    elif widths == {1} and all(imagenet.WORDNET_ID.fullmatch(row[0]) for row in rows):
        if len(rows) != num_classes:
            raise DatasetError(f"{path}: {counted(len(rows), 'WordNet id')}, but the model has {num_classes} classes")
        outputs = _outputs_by_id(path, [(row[0], str(place)) for place, row in enumerate(rows)])
    elif widths == {1}:
        outputs = [_index(path, line, row[0]) for line, row in enumerate(rows, start=1)]
    else:
        raise DatasetError(f"{path}: expected lines of `wordnet_id index`, of one index, or of one WordNet id")
    return _checked(path, outputs, num_classes, count)


def _outputs_by_id(path: Path, rows: Sequence[tuple[str, str]]) -> list[int]:
    indices: dict[str, int] = {}
    for line, (wordnet_id, text) in enumerate(rows, start=1):
        if not imagenet.WORDNET_ID.fullmatch(wordnet_id):
            raise DatasetError(f"{path}, line {line}: expected a WordNet id, found {shown(wordnet_id, 40)}")
        if wordnet_id in indices:
            raise DatasetError(f"{path}, line {line}: {wordnet_id} stands there twice")
        indices[wordnet_id] = _index(path, line, text)
    if missing := [name for name in imagenet.wordnet_ids() if name not in indices]:
        raise DatasetError(
            f"{path}: {len(missing):,} of the 1000 WordNet ids missing, first {missing[0]}; "
            "lines of `wordnet_id index` can name the output that stands for it"
        )
    return [indices[name] for name in imagenet.wordnet_ids()]


def _index(path: Path, line: int, text: str) -> int:
    if (index := number_of(text)) is None:
        raise DatasetError(f"{path}, line {line}: expected an index, found {shown(text, 40)}")
    return index


def _checked(path: Path, outputs: Sequence[int], num_classes: int, count: int) -> npt.NDArray[np.int64]:
    if len(outputs) != count:
        raise DatasetError(f"{path}: maps {len(outputs):,} classes, but the data have {count}")
    seen: dict[int, int] = {}
    for label, index in enumerate(outputs):
        if index >= num_classes:
            raise DatasetError(f"{path}: class {label} is output {index}, but the model's are 0 to {num_classes - 1}")
        if index in seen:
            raise DatasetError(f"{path}: classes {seen[index]} and {label} are both output {index}")
        seen[index] = label
    return np.array(outputs, np.int64)
