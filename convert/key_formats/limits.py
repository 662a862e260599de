"""What the libraries cannot build of a ConvNeXt, although they have a name for every tensor.

The sources are those of `convnext.py`. None of the four has a norm without a shift, or a depthwise kernel but one of 7.

torchvision    three input channels, written out. Its eps is 1e-6 unless `block` and `norm_layer` say another.
transformers   the eps of every norm but the last is 1e-6, written out; `layer_norm_eps` is the last one's alone.
mmpretrain     eps and channels as its config says.
paddleclas     eps and the exact GELU are written out. Its ConvNeXt has the official names; its ConvNeXtV2 has its own.
"""

from __future__ import annotations

from convert.archs.spec import Norm
from convert.key_formats.rules import Limit

USUAL_EPS = 1e-6  # of the authors' norms, and of every library's unless it is told another

SHIFT = Limit("norm without a shift", lambda spec: spec.norm is not Norm.LAYER)
EPS = Limit("eps but 1e-06 in its inner norms", lambda spec: spec.eps != USUAL_EPS)
EVERY_EPS = Limit("eps but 1e-06", lambda spec: spec.eps != USUAL_EPS)
CHANNELS = Limit("image but one of 3 channels", lambda spec: spec.in_chans != 3)
GELU = Limit("GELU but the exact one", lambda spec: spec.gelu_tanh)
KERNEL = Limit("depthwise kernel but one of 7", lambda spec: spec.kernel != 7)
PATCH = Limit("patch stem but one of 4", lambda spec: spec.patch != 4)
