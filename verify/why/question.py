"""What is asked of the usual mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verify.recipes.protocol import Protocol

SAMPLE = 500

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be explained.

    Attributes:
        protocol: how the run prepared its images.
        expected: the top-1 that it should have had, in per cent; None looks for whatever raises it.
        sample_size: images to score under each protocol.
        batch_size: images a forward pass.
        threads: threads that prepare images.
        class_indices: (classes,) columns of the logits that are the data set's classes; None for all.
    """

    protocol: Protocol
    expected: float | None = None
    sample_size: int = SAMPLE
    batch_size: int = 32
    threads: int = 2
    class_indices: Labels | None = None
