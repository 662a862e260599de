"""ConvNeXt and ConvNeXt V2 in Paddle; line by line the twin of models_torch/convnext.py.

After models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce: the same names, the same order.
"""

from __future__ import annotations

from itertools import pairwise

from paddle import Tensor, nn

from convert.archs.convnext import DOWNSAMPLE, OVERLAP, ConvNeXtSpec, Stem
from models_paddle.layers import NORMS, NORMS_2D, Block, init_weights, scale_head


class ConvNeXt(nn.Layer):
    """ConvNeXt for training and inference.

    Args:
        spec: the architecture.
        drop_path_rate: of the last block; the rates grow linearly from 0 over all blocks.
        layer_scale_init_value: initial value of every `gamma`; 1e-6 unless given.
        head_init_scale: factor on the head's initial weight and bias.

    Raises:
        ValueError: a `layer_scale_init_value` for an architecture without LayerScale.
    """

    def __init__(
        self,
        spec: ConvNeXtSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        self.spec = spec
        norm_2d = NORMS_2D[spec.norm]
        self.downsample_layers = nn.LayerList()
        self.downsample_layers.append(nn.Sequential(*_stem(spec), norm_2d(spec.dims[0], epsilon=spec.eps)))
        for dim, next_dim in pairwise(spec.dims):
            norm = norm_2d(dim, epsilon=spec.eps)
            conv = nn.Conv2D(dim, next_dim, DOWNSAMPLE, stride=DOWNSAMPLE)
            self.downsample_layers.append(nn.Sequential(norm, conv))
        rates = iter(spec.drop_path_rates(drop_path_rate))
        gamma = spec.layer_scale_init(layer_scale_init_value)
        self.stages = nn.LayerList()
        for depth, dim in zip(spec.depths, spec.dims, strict=True):
            blocks = [_block(spec, dim, next(rates), gamma) for _ in range(depth)]
            self.stages.append(nn.Sequential(*blocks))
        if not spec.last_norm:
            self.norm_pre = self.norm = nn.Identity()
        elif spec.head_norm_first:
            self.norm_pre = norm_2d(spec.dims[-1], epsilon=spec.last_norm_eps)
        else:
            self.norm = NORMS[spec.norm](spec.dims[-1], epsilon=spec.last_norm_eps)
        if spec.head_hidden:
            self.pre_logits = nn.Linear(spec.dims[-1], spec.head_hidden)
            self.gelu = nn.GELU(approximate=spec.gelu_tanh)
        self.head = nn.Linear(spec.features, spec.num_classes) if spec.num_classes else nn.Identity()
        self.apply(init_weights)
        scale_head(self.head, head_init_scale)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to (N, dims[-1]): the mean over height and width, and the norm after or before it."""
        for downsample, stage in zip(self.downsample_layers, self.stages):  # noqa: B905 - paddle.jit takes no `strict`
            x = stage(downsample(x))
        if self.spec.head_norm_first:
            return self.norm_pre(x).mean([2, 3])
        return self.norm(x.mean([2, 3]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to logits (N, num_classes), or to features (N, spec.features) without a head."""
        x = self.forward_features(x)
        if self.spec.head_hidden:
            x = self.gelu(self.pre_logits(x))
        return self.head(x)


def _stem(spec: ConvNeXtSpec) -> list[nn.Layer]:
    width, dim = spec.stem_width, spec.dims[0]
    if spec.stem_kind is Stem.PATCH:
        return [nn.Conv2D(spec.in_chans, dim, spec.patch, stride=spec.patch)]
    gelu = [nn.GELU(approximate=spec.gelu_tanh)] if spec.stem_kind is Stem.OVERLAP_ACT else []
    first = nn.Conv2D(spec.in_chans, width, OVERLAP, stride=2, padding=1)
    return [first, *gelu, nn.Conv2D(width, dim, OVERLAP, stride=2, padding=1)]


def _block(spec: ConvNeXtSpec, dim: int, drop_path: float, gamma: float | None) -> Block:
    return Block(
        dim,
        norm=spec.norm,
        eps=spec.eps,
        gelu_tanh=spec.gelu_tanh,
        grn=spec.grn,
        kernel=spec.kernel,
        layer_scale_init_value=gamma,
        drop_path=drop_path,
    )
