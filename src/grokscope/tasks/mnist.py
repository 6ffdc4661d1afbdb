"""MNIST, or any images in its format, from local files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from grokscope.errors import ConfigError
from grokscope.ops.streams import permutation, stream
from grokscope.tasks.base import TASKS, Dataset, Signature, Task
from grokscope.tasks.idx import read_idx
from grokscope.typing import Ge, Gt


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class MNIST(Task):
    """Which of ten classes an image shows: a random subset of images in IDX files.

    The folder holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and the same with
    `t10k`, as they are published, or with `.gz`. Nothing is downloaded. Inputs are gray values from
    0 to 1. Grokking on images was found with 1,000 of them (Liu et al. 2023, Omnigrok).
    """

    kind: Literal["mnist"] = "mnist"
    path: str = "mnist"
    """Folder of the files, from where the command runs."""
    part: Literal["train", "t10k"] = "train"
    """Which pair of files; training and test examples are both drawn from it."""
    examples: Annotated[int, Gt(1)] | None = 2000
    """Images drawn at random from the file; null takes all, in their order."""
    draw: Annotated[int, Ge(0)] = 0
    """Which draw of images; it does not depend on the seed of the run."""

    def dataset(self) -> Dataset:
        """Return the images drawn. Raises ConfigError where files are missing or damaged."""
        images = read_idx(self._file("images-idx3-ubyte"), 3)
        labels = read_idx(self._file("labels-idx1-ubyte"), 1)
        if len(images) != len(labels):
            raise ConfigError(
                f"task.path: {self.path}: {len(images)} images and {len(labels)} labels"
            )
        if int(labels.max()) > 9:
            raise ConfigError(
                f"task.path: {self.path}: the label {int(labels.max())} is not 0 to 9"
            )
        if self.examples is not None:
            if self.examples > len(images):
                raise ConfigError(f"task.examples: {self.path} has only {len(images)} images")
            order = permutation(stream(self.draw, "mnist"), len(images))
            rows = torch.from_numpy(order[: self.examples])
            images, labels = images[rows], labels[rows]
        shape = (images.shape[1], images.shape[2])
        signature = Signature(num_classes=10, num_features=shape[0] * shape[1], image=shape)
        return Dataset(images.flatten(1).float() / 255, labels.long(), signature)

    def _file(self, name: str) -> Path:
        path = Path(self.path) / f"{self.part}-{name}"
        zipped = path.with_name(f"{path.name}.gz")
        return zipped if zipped.exists() and not path.exists() else path
