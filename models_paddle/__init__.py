"""The Paddle models, twins of models_torch."""

from models_paddle.convnext import ConvNeXt, build, build_with
from models_paddle.loading import load_weights

__all__ = ["ConvNeXt", "build", "build_with", "load_weights"]
