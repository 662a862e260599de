"""Changes to a zip file of torch.save, of which its readers believe one place or another."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
from pickles import Raw, a_dict, call, name, plain, stream

A, B = np.arange(4, dtype="<f4"), -np.arange(4, dtype="<f4") - 1


def tensor_in(key: str = "0", kind: str = "FloatStorage", numel: int = 4) -> Raw:
    storage = Raw(plain(("storage", name("torch", kind, 2), key, "cpu", numel)) + b"Q")
    hooks = call(name("collections", "OrderedDict", 2))
    return call(name("torch._utils", "_rebuild_tensor_v2", 2), storage, 0, (numel,), (1,), False, hooks)


ONE = stream(a_dict({"w": tensor_in()}), 2)
OTHER = stream(a_dict({"w": tensor_in("1")}), 2)
ENTRIES = {
    "x/data.pkl": ONE,
    "x/byteorder": b"little",
    "x/data/0": A.tobytes(),
    "x/version": b"3\n",
    "x/.data/serialization_id": b"0" * 40,
}


def zipped(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return file.getvalue()


def with_entries(**more: bytes) -> bytes:
    """The zip file with further entries, or others, in its folder."""
    return zipped({**ENTRIES, **{f"x/{entry}": content for entry, content in more.items()}})


def after(name: str, content: bytes = b"") -> bytes:
    """The zip file with an entry before the others."""
    return zipped({name: content, **ENTRIES})


def renamed(**names: str) -> bytes:
    """The zip file with an entry under another name of the same length, in both places."""
    content = with_entries(data1=B.tobytes())
    for old, new in names.items():
        content = content.replace(f"x/{old}".encode(), f"x/{new}".encode())
    return content


def end_of(content: bytes) -> int:
    return content.rindex(b"PK\x05\x06")


def patched(content: bytes, at: int, form: str, *numbers: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, at, *numbers)
    return bytes(changed)


def of_entry(content: bytes, entry: str) -> int:
    """Where the directory's record of an entry begins."""
    return content.rindex(b"PK\x01\x02", 0, content.rindex(entry.encode()))


def of_header(content: bytes, entry: str) -> int:
    """Where the header before an entry begins."""
    return content.rindex(b"PK\x03\x04", 0, content.index(entry.encode()))


def in_directory(entry: str, offset: int, form: str, *numbers: int) -> bytes:
    content = zipped(ENTRIES)
    return patched(content, of_entry(content, entry) + offset, form, *numbers)


def in_header(entry: str, offset: int, form: str, *numbers: int) -> bytes:
    content = zipped(ENTRIES)
    return patched(content, of_header(content, entry) + offset, form, *numbers)


def shifted(prefix: bytes) -> bytes:
    """The zip file behind other bytes, its numbers as they were: Python's zipfile finds it, others may not."""
    return prefix + zipped(ENTRIES)


def two_directories() -> bytes:
    """Two whole zip files in a row; which of them is read depends on how its end is believed."""
    return zipped(ENTRIES) + zipped({**ENTRIES, "x/data/0": B.tobytes()})


def between_entries() -> bytes:
    """Bytes that no entry has, before the directory, whose end says where it begins now."""
    content = zipped(ENTRIES)
    (start,) = struct.unpack_from("<L", content, end_of(content) + 16)
    content = content[:start] + b"PK\x03\x04 and more" + content[start:]
    return patched(content, end_of(content) + 16, "<L", start + 13)


def second_end() -> bytes:
    """An end that stands within the comment of the last one."""
    content = zipped(ENTRIES)
    end = content[end_of(content) :]
    return patched(content, end_of(content) + 20, "<H", len(end)) + end


def ends_in_64_bits(count: int = 5, start: int = 0) -> bytes:
    """The zip file with a second end in 64 bits, which says so many entries and adds to the directory's position."""
    content = zipped(ENTRIES)
    at = end_of(content)
    size, begin = struct.unpack_from("<2L", content, at + 12)
    long = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, begin + start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return content[:at] + long + locator + content[at:]


def extra_in_directory(extra: bytes) -> bytes:
    """The zip file with an extra field of `x/data/0` in the directory."""
    content = zipped(ENTRIES)
    at = of_entry(content, "x/data/0")
    name_end = at + 46 + len("x/data/0")
    content = patched(content, at + 30, "<H", len(extra))
    content = content[:name_end] + extra + content[name_end:]
    end = end_of(content)
    (size,) = struct.unpack_from("<L", content, end + 12)
    return patched(content, end + 12, "<L", size + len(extra))


LAST = "x/.data/serialization_id"


def extra_in_header(*numbers: int) -> bytes:
    """The zip file with numbers in 64 bits in the header before its last entry."""
    content = zipped(ENTRIES)
    at = of_header(content, LAST)
    name_end = at + 30 + len(LAST)
    extra = struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
    content = patched(content, at + 28, "<H", len(extra))
    content = content[:name_end] + extra + content[name_end:]
    (start,) = struct.unpack_from("<L", content, end_of(content) + 16)
    return patched(content, end_of(content) + 16, "<L", start + len(extra))


def position_of_last() -> int:
    return of_header(zipped(ENTRIES), LAST)
