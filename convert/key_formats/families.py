"""The key formats of every architecture. A new family is a new module with its formats, listed here twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convert.archs.convnext import ConvNeXtSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.replknet import RepLKNetSpec
from convert.archs.resnext import ResNeXtSpec
from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.archs.spec import ArchSpec
from convert.key_formats import convnext, convnext_isotropic, mindspore, replknet, resnext, resnext_blog
from convert.key_formats.rules import KeyFormat

# That a checkpoint is recognised by; several may be of one library.
KEY_FORMATS: tuple[KeyFormat, ...] = tuple(
    row.tolerant()
    for row in (
        *convnext.KEY_FORMATS,
        *convnext_isotropic.KEY_FORMATS,
        *mindspore.KEY_FORMATS,
        *resnext.KEY_FORMATS,
        *resnext_blog.KEY_FORMATS,
        *replknet.KEY_FORMATS,
    )
)

FORMATS_TO_WRITE: Mapping[type[ArchSpec], Callable[[Any], dict[str, KeyFormat]]] = {
    ConvNeXtSpec: convnext.formats_to_write,
    ConvNeXtIsotropicSpec: convnext_isotropic.formats_to_write,
    ResNeXtSpec: resnext.formats_to_write,
    ResNeXtBlogSpec: resnext_blog.formats_to_write,
    RepLKNetSpec: replknet.formats_to_write,
}


def format_to_write(spec: ArchSpec, target: str) -> KeyFormat:
    """The format in which that library has the architecture; one without a rule if it has none of the family."""
    return FORMATS_TO_WRITE[type(spec)](spec).get(target, KeyFormat(target, "", ()))
