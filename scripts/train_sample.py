"""Trains the bundled sample and writes its held-out images: verify/sample/.

Handwritten digits of the UCI Machine Learning Repository (https://doi.org/10.24432/C50P49, CC BY 4.0), 8 x 8 pixels
in 17 grays, as scikit-learn ships them: every fifth image of a class is held out and written as a PNG of 80 x 80, the
others train a convnext_digits. Needs `pip install scikit-learn` beside the project; two minutes on two cores.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional as F
from tqdm import tqdm

import models_torch
from convert import get_spec
from verify.images.decode import decode
from verify.images.preprocess import Pixels, preprocess
from verify.sample import CHECKPOINT, IMAGES, PROTOCOL

SIDE = 80
HELD_OUT = 5  # every fifth image of each class
EPOCHS = 60
BATCH = 64
SHIFT = 4  # pixels; of the random crops


def main() -> int:
    """Writes the sample anew and prints its held-out accuracy."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    digits = load_digits()
    images = [_enlarged(pixels) for pixels in digits.images]
    held_out = _held_out(digits.target)
    _write_images([images[i] for i in held_out], digits.target[held_out])
    kept = np.setdiff1d(np.arange(len(images)), held_out)
    inputs = torch.from_numpy(np.stack([preprocess(images[i], PROTOCOL) for i in kept]))
    model = _train(inputs, torch.from_numpy(digits.target[kept]))
    torch.save({"model": model.state_dict()}, CHECKPOINT)
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size:,} bytes, held-out top-1 {100 * _accuracy(model):.2f} %")
    return 0


def _enlarged(pixels: np.ndarray) -> Image.Image:
    gray = Image.fromarray(np.round(pixels * (255 / 16)).astype(np.uint8))
    return gray.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")


def _held_out(labels: np.ndarray) -> np.ndarray:
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[::HELD_OUT] for label in range(10)]))


def _write_images(images: list[Image.Image], labels: np.ndarray) -> None:
    shutil.rmtree(IMAGES, ignore_errors=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = IMAGES / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        image.convert("L").save(folder / f"digit_{number:03}.png", optimize=True)


def _train(inputs: torch.Tensor, labels: torch.Tensor) -> torch.nn.Module:
    model = models_torch.build(get_spec("convnext_digits"), drop_path_rate=0.1, layer_scale_init_value=0.1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)
    steps = EPOCHS * (len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in tqdm(range(EPOCHS), unit="epoch", disable=None):
        for batch in torch.randperm(len(inputs))[: len(inputs) // BATCH * BATCH].split(BATCH):
            loss = F.cross_entropy(model(_shifted(inputs[batch])), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _shifted(batch: torch.Tensor) -> torch.Tensor:
    padded = F.pad(batch, [SHIFT] * 4, mode="replicate")
    x, y = torch.randint(0, 2 * SHIFT + 1, [2]).tolist()
    return padded[:, :, y : y + batch.shape[2], x : x + batch.shape[3]]


def _accuracy(model: torch.nn.Module) -> float:
    files = sorted(IMAGES.glob("*/*.png"))
    inputs = torch.from_numpy(np.stack([_pixels(file) for file in files]))
    labels = torch.tensor([int(file.parent.name) for file in files])
    with torch.inference_mode():
        return float((model(inputs).argmax(1) == labels).double().mean())


def _pixels(file: Path) -> Pixels:
    pixels = decode(file, PROTOCOL).pixels
    assert pixels is not None
    return pixels


if __name__ == "__main__":
    sys.exit(main())
