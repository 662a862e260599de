"""The PyTorch models, twins of models_paddle."""

from models_torch.building import build, build_with
from models_torch.convnext import ConvNeXt
from models_torch.convnext_isotropic import ConvNeXtIsotropic
from models_torch.loading import load_weights
from models_torch.replknet import RepLKNet

__all__ = ["ConvNeXt", "ConvNeXtIsotropic", "RepLKNet", "build", "build_with", "load_weights"]
