"""The decoders' processes: an image that ends one is named and not replaced, and the others are decoded as ever."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence

import numpy as np
import pytest
from damage import damaged
from ending_blobs import EndingBlob, EndlessBlob
from hostile_images import encoded
from made_up_images import noise
from PIL import Image

from convert.arrays import Array
from convert.errors import FerryError
from verify.datasets import Item
from verify.datasets.blobs import Blob, BytesBlob
from verify.images.decode import Decoded, decode_item
from verify.recipes.protocol import Protocol
from verify.workers.batches import SharedBatch
from verify.workers.decoders import Decoders

PROTOCOL = Protocol(size=32, resize=36)
SLOW = "takes more than 0.4 s of processor time to decode"
GOOD = [encoded(noise(40 + number, 50), "PNG") for number in range(6)]


def item_of(name: str, content: bytes | Blob) -> Item:
    blob = BytesBlob(content) if isinstance(content, bytes) else content
    return Item(name, None, len(content) if isinstance(content, bytes) else 1, blob)


def decoded(items: Sequence[Item], *, count: int = 1, seconds: float = 30.0) -> tuple[list[Decoded], Array]:
    """What the decoders find, and the batch, where nothing was put 7."""
    shape = (len(items), 3, PROTOCOL.size, PROTOCOL.size)
    with SharedBatch(int(np.prod(shape)) * 4) as batch, Decoders(count, PROTOCOL, seconds=seconds) as decoders:
        ref = batch.ref(shape, "float32")
        batch.view(ref)[...] = 7
        images = [image for piece in decoders.decode(items, ref) for image in piece.result()]
        return images, batch.view(ref).copy()


@pytest.mark.parametrize("count", [1, 2])
def test_an_image_that_takes_too_long_is_named_and_the_others_are_decoded(count: int) -> None:
    contents: list[bytes | Blob] = [*GOOD]
    for place in (1, 3, 5):
        contents[place] = EndlessBlob()
    items = [item_of(str(number), content) for number, content in enumerate(contents)]
    images, batch = decoded(items, count=count, seconds=0.4)

    assert [image.error for image in images] == ["", SLOW, "", SLOW, "", SLOW]
    for number in (0, 2, 4):
        pixels = decode_item(items[number], PROTOCOL).pixels
        assert pixels is not None
        assert batch[number].tobytes() == pixels.tobytes()
    assert (batch[[1, 3, 5]] == 7).all()


@pytest.mark.parametrize("signal_", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL])
def test_an_image_that_crashes_its_decoder_is_named(signal_: signal.Signals) -> None:
    images, _ = decoded([item_of("a", EndingBlob(signal_)), item_of("b", GOOD[0])])

    assert [image.error for image in images] == [f"ends its decoder by {signal_.name}", ""]


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGBUS])
def test_a_decoder_that_the_system_ends_is_an_error_that_names_the_image(signal_: signal.Signals) -> None:
    with pytest.raises(FerryError) as caught:
        decoded([item_of("a", GOOD[0]), item_of("b", EndingBlob(signal_))])

    assert str(caught.value) == (
        f"the decoder 1 was ended by {signal_.name}; where the system was short of memory, a smaller --batch-size or "
        "fewer --workers help; it was at b"
    )


def test_time_is_counted_for_each_image_alone() -> None:
    slow = encoded(Image.new("RGBA", (2500, 2500)), "PNG", compress_level=1)  # measured: 0.15 s
    images, _ = decoded([item_of(str(number), slow) for number in range(12)], seconds=1.0)

    assert {image.error for image in images} == {""}


def test_libtiff_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    good = encoded(noise(90, 70), "TIFF", compression="tiff_deflate")
    contents = [damaged(good, random.Random(number)) for number in range(60)]  # noqa: S311 - seeded, no secret
    images, _ = decoded([item_of(str(number), content) for number, content in enumerate(contents)])

    assert len({image.error for image in images}) > 3
    assert capfd.readouterr() == ("", "")
