"""The Paddle models, twins of models_torch."""

from models_paddle.building import build, build_with
from models_paddle.convnext import ConvNeXt
from models_paddle.convnext_isotropic import ConvNeXtIsotropic
from models_paddle.loading import load_weights
from models_paddle.replknet import RepLKNet

__all__ = ["ConvNeXt", "ConvNeXtIsotropic", "RepLKNet", "build", "build_with", "load_weights"]
