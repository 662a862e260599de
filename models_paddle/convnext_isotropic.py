"""Isotropic ConvNeXt in Paddle; line by line the twin of models_torch/convnext_isotropic.py.

After models/convnext_isotropic.py of https://github.com/facebookresearch/ConvNeXt at 048efce.
"""

from __future__ import annotations

from paddle import Tensor, nn

from convert.archs.convnext_isotropic import PATCH, ConvNeXtIsotropicSpec
from models_paddle.layers import Block, init_weights, scale_head


class ConvNeXtIsotropic(nn.Layer):
    """Isotropic ConvNeXt for training and inference.

    Args:
        spec: the architecture.
        drop_path_rate: of the last block; the rates grow linearly from 0 over all blocks.
        layer_scale_init_value: for blocks with a `gamma`, which these have not; it can only be left out.
        head_init_scale: factor on the head's initial weight and bias.

    Raises:
        ValueError: a `layer_scale_init_value` is given.
    """

    def __init__(
        self,
        spec: ConvNeXtIsotropicSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        self.stem = nn.Conv2D(spec.in_chans, spec.dim, PATCH, stride=PATCH)
        rates = spec.drop_path_rates(drop_path_rate)
        gamma = spec.layer_scale_init(layer_scale_init_value)
        blocks = [Block(spec.dim, eps=spec.eps, layer_scale_init_value=gamma, drop_path=rate) for rate in rates]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(spec.dim, epsilon=spec.last_norm_eps) if spec.last_norm else nn.Identity()
        self.head = nn.Linear(spec.dim, spec.num_classes) if spec.num_classes else nn.Identity()
        self.apply(init_weights)
        scale_head(self.head, head_init_scale)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to (N, dim): the mean over height and width first, then the norm."""
        return self.norm(self.blocks(self.stem(x)).mean([2, 3]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to logits (N, num_classes), or to features (N, spec.features) without a head."""
        return self.head(self.forward_features(x))
