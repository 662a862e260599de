"""What is learned of the tensors while their values pass through memory, once, on their way into the target."""

from __future__ import annotations

from functools import partial

from convert.arrays import Array, Tensor
from convert.digest import combined_digest, tensor_digest
from convert.params import Layout
from convert.stored import StoredArray


class OnePass:
    """Watches tensors being read.

    Args:
        digest: whether to digest each, which takes longer than reading it.

    Attributes:
        not_finite: name in the source to how many values are NaN or Inf, where any is.
    """

    def __init__(self, *, digest: bool) -> None:
        self.not_finite: dict[str, int] = {}
        self._digest = digest
        self._digests: dict[str, str] = {}

    def watch(self, tensor: Tensor, layout: Layout, *, source: str, name: str) -> Tensor:
        """The tensor, whose reading will be noted.

        Args:
            tensor: as the target has it.
            layout: that was applied to PyTorch's to make it.
            source: its name in the source.
            name: in PyTorch.
        """
        if isinstance(tensor, StoredArray):
            return tensor.noted(partial(self._note, tensor.shape, layout, source, name))
        if self._digest:
            self._digests[name] = tensor_digest(layout.to_torch(tensor))
        return tensor

    def digest(self) -> str:
        """One digest of all tensors that were watched, once each was read."""
        return combined_digest(self._digests)

    def _note(
        self, shape: tuple[int, ...], layout: Layout, source: str, name: str, values: Array, not_finite: int
    ) -> None:
        if not_finite:
            self.not_finite[source] = not_finite
        if self._digest:
            self._digests[name] = tensor_digest(layout.to_torch(values.reshape(shape)))
