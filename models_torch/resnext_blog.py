"""The tutorials' own ResNeXt-50 in PyTorch; line by line the twin of models_paddle/resnext_blog.py."""

from __future__ import annotations

from torch import Tensor, nn

from convert.archs.resnext import STEM
from convert.archs.resnext_blog import ResNeXtBlogSpec
from models_torch.layers import DropPath, init_relu_weights, scale_head


class ConvNormRelu(nn.Module):
    """A convolution without bias, a batch norm and a ReLU.

    Args:
        before: channels of the input.
        dim: channels of the output.
        kernel: side of the convolution, odd.
        eps: of the batch norm.
        stride: of the convolution.
        groups: of the convolution.
    """

    def __init__(self, before: int, dim: int, kernel: int, *, eps: float, stride: int = 1, groups: int = 1):
        super().__init__()
        conv = nn.Conv2d(before, dim, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
        self.seq = nn.Sequential(conv, nn.BatchNorm2d(dim, eps=eps), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.seq(x)


class BlogBottleneck(nn.Module):
    """A 1x1, a grouped 3x3 and a 1x1 convolution with bias; the shortcut is a 1x1 convolution in every block.

    Shapes: (N, before, H, W) to (N, dim, H / stride, W / stride), rounded up.

    Args:
        spec: the architecture.
        before: channels of the input.
        dim: channels of the output.
        stride: of the 3x3 convolution and of the shortcut.
        drop_path: rate of stochastic depth.
    """

    def __init__(self, spec: ResNeXtBlogSpec, before: int, dim: int, *, stride: int, drop_path: float = 0.0):
        super().__init__()
        inner = spec.inner(dim)
        self.conv1 = ConvNormRelu(before, inner, 1, eps=spec.eps)
        self.conv2 = ConvNormRelu(inner, inner, 3, stride=stride, groups=spec.groups, eps=spec.eps)
        self.conv3 = nn.Conv2d(inner, dim, 1)
        self.bn = nn.BatchNorm2d(dim, eps=spec.eps)
        conv = nn.Conv2d(before, dim, 1, stride=stride, bias=False)
        self.short_cut = nn.Sequential(conv, nn.BatchNorm2d(dim, eps=spec.eps))
        self.relu = nn.ReLU()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv3(self.conv2(self.conv1(x))))
        return self.relu(self.short_cut(x) + self.drop_path(y))


class ResNeXtBlog(nn.Module):
    """The tutorials' network for training and inference.

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
        spec: ResNeXtBlogSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        spec.layer_scale_init(layer_scale_init_value)
        before = spec.stem_width
        self.conv1 = ConvNormRelu(spec.in_chans, before, STEM, stride=2, eps=spec.eps)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        rates = iter(spec.drop_path_rates(drop_path_rate))
        for i, (depth, dim) in enumerate(spec.stages, start=2):
            first = BlogBottleneck(spec, before, dim, stride=2 if i > 2 else 1, drop_path=next(rates))
            others = [BlogBottleneck(spec, dim, dim, stride=1, drop_path=next(rates)) for _ in range(1, depth)]
            setattr(self, f"conv{i}", nn.Sequential(first, *others))
            before = dim
        self.stages = tuple(f"conv{i}" for i in range(2, len(spec.stages) + 2))
        self.pool = spec.pool
        self.fc = nn.Linear(spec.features, spec.num_classes) if spec.num_classes else nn.Identity()
        self.softmax = nn.Softmax(dim=1) if spec.num_classes and spec.softmax else nn.Identity()
        self.apply(init_relu_weights)
        scale_head(self.fc, head_init_scale)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to (N, dims[-1]): the mean over the one window that fits into the last map,
        of images of `spec.sizes`."""
        x = self.maxpool(self.conv1(x))
        for name in self.stages:
            x = getattr(self, name)(x)
        # Not the pooling layer of the tutorial: Paddle 3.3's has its gradient by a float32 1 / 49.
        return x[:, :, : self.pool, : self.pool].mean([2, 3])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to probabilities (N, num_classes), or to logits where `spec.softmax` is off."""
        return self.softmax(self.fc(self.forward_features(x)))
