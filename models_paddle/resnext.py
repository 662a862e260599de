"""ResNeXt in Paddle; line by line the twin of models_torch/resnext.py.

After torchvision/models/resnet.py of https://github.com/pytorch/vision at v0.29.2: the same names, the same order.
"""

from __future__ import annotations

from paddle import Tensor, nn

from convert.archs.resnext import STEM, ResNeXtSpec
from models_paddle.layers import DropPath, init_relu_weights, scale_head


class Bottleneck(nn.Layer):
    """A 1x1, a grouped 3x3 and a 1x1 convolution, each with a batch norm, and a ReLU after each and after the sum.

    Shapes: (N, before, H, W) to (N, dim, H / stride, W / stride), rounded up.

    Args:
        spec: the architecture.
        before: channels of the input.
        dim: channels of the output.
        stride: of the 3x3 convolution.
        project: whether the shortcut is a 1x1 convolution with a batch norm.
        drop_path: rate of stochastic depth.
    """

    def __init__(self, spec: ResNeXtSpec, before: int, dim: int, *, stride: int, project: bool, drop_path: float = 0.0):
        super().__init__()
        inner = spec.inner(dim)
        self.conv1 = nn.Conv2D(before, inner, 1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(inner, epsilon=spec.eps)
        self.conv2 = nn.Conv2D(inner, inner, 3, stride=stride, padding=1, groups=spec.groups, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(inner, epsilon=spec.eps)
        self.conv3 = nn.Conv2D(inner, dim, 1, bias_attr=False)
        self.bn3 = nn.BatchNorm2D(dim, epsilon=spec.eps)
        self.relu = nn.ReLU()
        self.drop_path = DropPath(drop_path)
        if project:
            conv = nn.Conv2D(before, dim, 1, stride=stride, bias_attr=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2D(dim, epsilon=spec.eps))
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(self.downsample(x) + self.drop_path(y))


class ResNeXt(nn.Layer):
    """ResNeXt for training and inference.

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
        spec: ResNeXtSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        spec.layer_scale_init(layer_scale_init_value)
        before = spec.stem_width
        self.conv1 = nn.Conv2D(spec.in_chans, before, STEM, stride=2, padding=STEM // 2, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(before, epsilon=spec.eps)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2D(3, stride=2, padding=1)
        rates = iter(spec.drop_path_rates(drop_path_rate))
        for i, (depth, dim) in enumerate(spec.stages, start=1):
            first = Bottleneck(spec, before, dim, stride=2 if i > 1 else 1, project=True, drop_path=next(rates))
            others = [
                Bottleneck(spec, dim, dim, stride=1, project=False, drop_path=next(rates)) for _ in range(1, depth)
            ]
            setattr(self, f"layer{i}", nn.Sequential(first, *others))
            before = dim
        self.stages = tuple(f"layer{i}" for i in range(1, len(spec.stages) + 1))
        self.fc = nn.Linear(spec.features, spec.num_classes) if spec.num_classes else nn.Identity()
        self.apply(init_relu_weights)
        scale_head(self.fc, head_init_scale)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to (N, dims[-1]): the mean over height and width."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = getattr(self, name)(x)
        return x.mean([2, 3])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to logits (N, num_classes), or to features (N, spec.features) without a head."""
        return self.fc(self.forward_features(x))
