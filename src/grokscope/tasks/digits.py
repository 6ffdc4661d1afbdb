"""Handwritten digits of 8 x 8 pixels, which come with grokscope."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from grokscope.tasks.base import TASKS, Dataset, Signature, Task

FILE = Path(__file__).parent / "embedded" / "digits.npz"


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Digits(Task):
    """Which digit an image of 8 x 8 pixels shows: 1,797 images, gray values from 0 to 1.

    The test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI
    Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0), as scikit-learn ships it.
    """

    kind: Literal["digits"] = "digits"

    def dataset(self) -> Dataset:
        """Return all images in the order of the file."""
        with np.load(FILE, allow_pickle=False) as arrays:
            images, labels = (torch.from_numpy(arrays[name]) for name in ("images", "labels"))
        signature = Signature(num_classes=10, num_features=64, image=(8, 8))
        return Dataset(images.float() / 16, labels.long(), signature)
