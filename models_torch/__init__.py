"""The PyTorch models, twins of models_paddle."""

from models_torch.convnext import ConvNeXt, build, build_with
from models_torch.loading import load_weights

__all__ = ["ConvNeXt", "build", "build_with", "load_weights"]
