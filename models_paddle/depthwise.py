"""The depthwise convolution, in a form that Paddle computes fast on a CPU.

Paddle 3.3's own kernel runs on one thread and takes 20 to 40 times as long as PyTorch's. Matrix products are what it
does well, so inference on a CPU is written as one product a channel; everything else is `nn.Conv2D` itself.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

# Of the images that a product is taken for. A product costs the height times what the convolution does, and its
# matrices grow with the square: from about here on they are no gain.
MAX_HEIGHT = 128


class DepthwiseConv2D(nn.Conv2D):
    """nn.Conv2D(dim, dim, kernel, padding=kernel // 2, groups=dim); (N, C, H, W) in and out, the same parameters.

    Without gradients, on a CPU, the same sums are taken by matrix products:

        y[n, c, h, w] = sum over j, i of weight[c, i - h + kernel // 2, j] * x[n, c, i, w + j - kernel // 2]

    which is a matrix (H, kernel * H) a channel, banded, times the image's columns, unfolded along the width alone. The
    zeros outside the band stand for the padding above and below. Both frameworks' sums differ in their order only.

    Args:
        dim: channels.
        kernel: height and width of the kernel, odd.
    """

    def __init__(self, dim: int, kernel: int):
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        if not takes_products(x):
            return super().forward(x)
        n, c, height, width = x.shape
        k = self.kernel
        band = paddle.matmul(self.weight.reshape([c, k * k]), _selector(k, height, self.weight.dtype))
        columns = F.unfold(x, [1, k], paddings=[0, k // 2])
        y = paddle.matmul(band.reshape([c, height, k * height]), columns.reshape([n, c, k * height, width]))
        return y + self.bias.reshape([c, 1, 1])


def takes_products(x: Tensor) -> bool:
    """Whether a layer computes this input (N, C, H, W) by matrix products; in a saved program it never does."""
    if not paddle.in_dynamic_mode() or paddle.is_grad_enabled():
        return False
    # Not x.place, which paddle.jit.to_static of 3.3 cannot follow.
    return paddle.get_device() == "cpu" and x.shape[0] > 0 and 0 < x.shape[2] <= MAX_HEIGHT


@lru_cache(maxsize=16)  # a network has a handful of heights
def _selector(k: int, height: int, dtype: paddle.dtype) -> Tensor:
    # (k * k, height * k * height) of zeros and ones. A product with it puts every weight into its places, each of
    # them exactly: one term of the sum is the weight, the others are zero.
    offset = np.arange(height) - np.arange(height)[:, None] + k // 2  # [out row, in row] to row of the kernel
    rows = np.arange(k)[:, None, None] == offset  # (k, H, H)
    chosen = np.einsum("rhi,jq->rjhqi", rows, np.eye(k, dtype=bool))  # (row, column, out row, column, in row)
    values = chosen.reshape(k * k, -1).astype(str(dtype).removeprefix("paddle."))
    return paddle.to_tensor(values, place=paddle.CPUPlace())
