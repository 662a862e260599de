"""The containers that a checkpoint file can be, a row each: a new one is a row here and a file beside this one.

The rows name the functions of a container's file rather than load it, so that `convert --help` waits for no numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from convert.checkpoints.programs import CIPHERS, ENCRYPTED, encrypted_mindspore, what_program_is
from convert.errors import either
from convert.frameworks import FRAMEWORKS, PADDLE, TORCH

if TYPE_CHECKING:
    from convert.checkpoints.atomic import Chunk
    from convert.checkpoints.contents import Contents
    from convert.files import ByteFile

    Reader = Callable[[ByteFile], Contents]
    Writer = Callable[..., Iterable[Chunk]]

START = 64  # bytes of a file's start that are enough to recognise it


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container, or the index of a sharded one.

    Attributes:
        name: what a summary calls it; the index of a container bears that one's name, unless it has several.
        maker: what usually writes such files.
        frameworks: whose tensors it may hold, or in whose layout.
        suffixes: that its files have, the usual one first; those of a target, where there is a writer.
        reader: `module:function` from an open file to `Contents`.
        writer: `module:function` from (tensors, framework) to the file's bytes in order; "" where none is written.
        enveloped: whether a state dict stands in an envelope, which the writer takes as well.
        magic: bytes that tell its files from others, whatever their name; empty for an index, which its name tells.
        offset: where in a file `magic` stands.
        pattern: a regular expression that the file's start matches besides, where `magic` alone tells too little.
        may_end_early: whether a file of it that was cut between two tensors is a good one of fewer.
        has_loader: whether the loader of the framework, where it is of one alone, reads it too.
        other_suffixes: under which its files are found beside, but never written.
        bfloat16: numpy's dtype in which it keeps the bits of bfloat16; "" where it has bfloat16 itself.
        float8: numpy's dtype in which it keeps the bits of float8, which nothing tells from such numbers; "" for none.
    """

    name: str
    maker: str
    frameworks: tuple[str, ...]
    suffixes: tuple[str, ...]
    reader: str
    writer: str = ""
    enveloped: bool = False
    magic: bytes = b""
    offset: int = 0
    pattern: bytes = b""
    may_end_early: bool = False
    has_loader: bool = True
    other_suffixes: tuple[str, ...] = ()
    bfloat16: str = ""
    float8: str = ""

    def recognises(self, file: str, start: bytes) -> bool:
        """Whether a file of that name, with that start, is one of these."""
        if not self.magic:
            return file.endswith(self.suffixes)
        return start[self.offset :].startswith(self.magic) and re.match(self.pattern, start) is not None

    def load_reader(self) -> Reader:
        """The function that `reader` names; it raises CheckpointError, or a ValueError for a tensor that lies."""
        reader: Reader = resolve_name(self.reader)
        return reader

    def load_writer(self) -> Writer:
        """The function that `writer` names."""
        writer: Writer = resolve_name(self.writer)
        return writer


INDEX_SUFFIX = ".safetensors.index.json"
TORCH_SUFFIXES = (".pth", ".pt")
OTHER_TORCH_SUFFIXES = (".bin", ".ckpt", ".tar")

TORCH_ZIP = Container(
    name="torch zip",
    maker="torch.save",
    frameworks=(TORCH,),
    suffixes=TORCH_SUFFIXES,
    other_suffixes=OTHER_TORCH_SUFFIXES,
    magic=b"PK\x03\x04",
    reader="convert.checkpoints.torch_zip:open_torch_zip",
    writer="convert.checkpoints.torch_zip:torch_zip_chunks",
    enveloped=True,
)
TORCH_LEGACY = Container(
    name="torch legacy",
    maker="torch.save",
    frameworks=(TORCH,),
    suffixes=TORCH_SUFFIXES,
    other_suffixes=OTHER_TORCH_SUFFIXES,
    magic=b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",  # a pickle of torch's magic number
    reader="convert.checkpoints.torch_legacy:open_torch_legacy",
)
TORCH_INDEX = Container(
    name="sharded torch",
    maker="torch.save",
    frameworks=(TORCH,),
    suffixes=(".bin.index.json",),
    reader="convert.checkpoints.shards:open_torch_index",
)
SAFETENSORS_INDEX = Container(
    name="safetensors",
    maker="safetensors",
    frameworks=FRAMEWORKS,
    suffixes=(INDEX_SUFFIX,),
    reader="convert.checkpoints.shards:open_index",
)
SAFETENSORS = Container(
    name="safetensors",
    maker="safetensors",
    frameworks=FRAMEWORKS,
    suffixes=(".safetensors",),
    magic=b"{",
    offset=8,  # after the header's length
    reader="convert.checkpoints.safetensors:open_safetensors",
    writer="convert.checkpoints.safetensors:safetensors_chunks",
)
PADDLE_PICKLE = Container(
    name="paddle pickle",
    maker="paddle.save",
    frameworks=(PADDLE,),
    suffixes=(".pdparams",),
    magic=b"\x80",
    bfloat16="uint16",
    float8="int8",
    reader="convert.checkpoints.pdparams:open_pdparams",
    writer="convert.checkpoints.pdparams:pdparams_chunks",
)
MINDSPORE = Container(
    name="mindspore",
    maker="mindspore.save_checkpoint",
    frameworks=(TORCH,),  # whose layout MindSpore's is
    suffixes=(".ckpt",),
    magic=b"\n",
    # Field 1 of so many bytes, and in it field 1 of so many, which is a name; no page after lines that are blank.
    pattern=rb"(?!\n\s\n<)\n[\x80-\xff]{0,9}[\x00-\x7f]\n[\x80-\xff]{0,9}[\x00-\x7f]\w",
    may_end_early=True,
    has_loader=False,
    reader="convert.checkpoints.mindspore:open_mindspore",
)

# A file is of the first row that recognises it: a safetensors, and torch's legacy pickle, may begin as any pickle does.
CONTAINERS = (TORCH_ZIP, TORCH_LEGACY, TORCH_INDEX, SAFETENSORS_INDEX, SAFETENSORS, PADDLE_PICKLE, MINDSPORE)

WRITTEN = tuple(row for row in CONTAINERS if row.writer)
WRITTEN_AS = {suffix: row for row in WRITTEN for suffix in row.suffixes}
KNOWN_SUFFIXES = tuple(dict.fromkeys(suffix for row in CONTAINERS for suffix in (*row.suffixes, *row.other_suffixes)))


def recognise_container(file: str, start: bytes) -> Container | None:
    """The container of a file of that name with that start; None for what is no checkpoint."""
    return next((row for row in CONTAINERS if row.recognises(file, start)), None)


def container_named(name: str) -> Container:
    """The row of that name."""
    return next(row for row in CONTAINERS if row.name == name)


def split_suffix(file: str) -> tuple[str, str]:
    """A file's name without a checkpoint's suffix, and that suffix; "" where it has none, for names have dots too."""
    suffix = next((suffix for suffix in KNOWN_SUFFIXES if file.endswith(suffix)), "")
    return file.removesuffix(suffix), suffix


def what_is(start: bytes, name: str = "") -> str:
    """What is said of a file of that name that no row recognises."""
    if start.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the file itself; run `git lfs pull`"
    if start[1:4] == ENCRYPTED and start[0] in CIPHERS:
        return encrypted_mindspore(CIPHERS[start[0]])
    if start.startswith(b"crc_num"):
        return "is the checksum of a MindSpore checkpoint without the checkpoint; fetch it again"
    if start.lstrip()[:1] == b"<":
        return "is a web page, not a checkpoint; the address gave an error page or wants a login"
    if program := what_program_is(name, start):
        return program
    rows = _own_first(WRITTEN)
    makers, suffixes = [row.maker for row in rows], [row.suffixes[0] for row in rows]
    return f"is no checkpoint of {either(makers)}; give the {either(suffixes)} itself"


def target_suffixes(framework: str) -> list[str]:
    """Every suffix that a target of that framework may have."""
    return [suffix for row in _own_first(WRITTEN) if framework in row.frameworks for suffix in row.suffixes]


def usual_suffixes(framework: str = "") -> list[str]:
    """The usual suffix of each container that is written, or of each for that framework."""
    return [row.suffixes[0] for row in WRITTEN if not framework or framework in row.frameworks]


def source_suffixes() -> list[str]:
    """The usual suffix of each container, once; where it can be sharded, with a word about its index."""
    indexed = {row.name for row in CONTAINERS if not row.magic}
    rows = {row.suffixes[0]: row for row in reversed(CONTAINERS) if row.magic}  # of two, the one that is written
    return [
        f"{suffix}{' (or its index)' * (row.name in indexed)}"
        for suffix, row in sorted(rows.items(), key=lambda item: CONTAINERS.index(item[1]))
    ]


def _own_first(rows: Iterable[Container]) -> list[Container]:
    """The rows, those of one framework alone before those of several."""
    return sorted(rows, key=lambda row: len(row.frameworks))
