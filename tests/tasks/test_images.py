import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks.digits import FILE, Digits
from grokscope.tasks.idx import read_idx
from grokscope.tasks.mnist import MNIST

MADE_UP = str(Path(__file__).parent / "idx")


def idx(*shape, content=None, magic=None):
    """Return the bytes of an IDX file, written down once more."""
    head = bytes((0, 0, 8, len(shape))) if magic is None else magic
    size = int(np.prod(shape))
    content = bytes(i % 256 for i in range(size)) if content is None else content
    return head + b"".join(struct.pack(">I", n) for n in shape) + content


def folder(path, *, images=None, labels=None, zipped=False, part="train"):
    """Write a made-up pair of files and return its folder."""
    images = idx(12, 3, 2) if images is None else images
    labels = idx(12, content=bytes(i % 10 for i in range(12))) if labels is None else labels
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        file = path / f"{part}-{name}-ubyte{'.gz' if zipped else ''}"
        file.write_bytes(gzip.compress(content) if zipped else content)
    return str(path)


def test_the_digits_are_those_their_readme_speaks_of():
    with np.load(FILE, allow_pickle=False) as arrays:
        content = arrays["images"].tobytes() + arrays["labels"].tobytes()
    digest = hashlib.sha256(content).hexdigest()
    assert digest in (FILE.parent / "README.md").read_text()


def test_the_digits_are_images_in_gray():
    dataset = Digits().dataset()
    assert dataset.inputs.shape == (1797, 64)
    assert dataset.signature.image == (8, 8)
    assert (dataset.inputs.min(), dataset.inputs.max()) == (0, 1)
    assert torch.bincount(dataset.targets).min() > 170
    # The first image is a zero: a ring around an empty middle.
    ring = dataset.inputs[0].view(8, 8)
    assert dataset.targets[0] == 0
    assert ring[3:5, 3:5].max() <= 0.5 < ring[3:5, 1:3].max()


@pytest.mark.parametrize("zipped", [False, True])
def test_all_images_are_read_in_order(tmp_path, zipped):
    dataset = MNIST(path=folder(tmp_path, zipped=zipped), examples=None).dataset()
    assert dataset.signature.image == (3, 2)
    expected = [[(6 * i + j) / 255 for j in range(6)] for i in range(12)]
    np.testing.assert_allclose(dataset.inputs.numpy(), expected, rtol=1e-6)
    assert dataset.targets.tolist() == [i % 10 for i in range(12)]


def test_a_plain_file_is_preferred_and_parts_are_apart(tmp_path):
    folder(tmp_path, zipped=True)
    folder(tmp_path, labels=idx(12, content=bytes([7] * 12)))
    folder(tmp_path, labels=idx(12, content=bytes([3] * 12)), part="t10k")
    for part, label in (("train", 7), ("t10k", 3)):
        targets = MNIST(path=str(tmp_path), part=part, examples=None).dataset().targets
        assert targets.tolist() == [label] * 12


def test_a_subset_holds_different_images_with_their_labels():
    whole = MNIST(path=MADE_UP, examples=None).dataset()
    answers = {tuple(x): y for x, y in zip(whole.inputs.tolist(), whole.targets, strict=True)}
    draws = [MNIST(path=MADE_UP, examples=25, draw=draw).dataset() for draw in (0, 1)]
    for some in draws:
        assert len({tuple(x) for x in some.inputs.tolist()}) == 25
        for x, y in zip(some.inputs.tolist(), some.targets, strict=True):
            assert answers[tuple(x)] == y
    assert not torch.equal(draws[0].inputs, draws[1].inputs)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"images": b""}, r"expected unsigned bytes in 3 dimensions \(00 00 08 03\), got nothing"),
        ({"images": idx(12, 6)}, r"got 00 00 08 02"),
        ({"images": idx(12, 3, 2, magic=b"\0\0\x0d\x03")}, r"got 00 00 0d 03"),
        ({"images": idx(12, 3, 2)[:9]}, r"ends inside its header"),
        ({"images": idx(12, 3, 2)[:-1]}, r"expected 72 bytes of data, got 71"),
        ({"images": idx(12, 3, 2) + b"x"}, r"expected 72 bytes of data, got more"),
        ({"images": idx(12, 0, 2)}, r"says its shape is \(12, 0, 2\)"),
        (
            {"images": bytes((0, 0, 8, 3)) + b"\xff" * 12},
            r"says its shape is \(4294967295, 4294967295, 4294967295\)",
        ),
        ({"labels": idx(11)}, r"12 images and 11 labels"),
        ({"labels": idx(12, content=bytes([10] * 12))}, r"the label 10 is not 0 to 9"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_is_not_as_it_says_is_one_line(tmp_path, files, message, zipped):
    path = folder(tmp_path, zipped=zipped, **files)
    with pytest.raises(ConfigError, match=rf"^task\.path: .*{message}") as error:
        MNIST(path=path, examples=None).dataset()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [lambda x: x[:-20], lambda x: x[:40] + b"\0\0\0" + x[43:]])
def test_a_damaged_archive_is_one_line(tmp_path, damage):
    path = tmp_path / "x.gz"
    path.write_bytes(damage(gzip.compress(idx(12, 30, 20))))
    with pytest.raises(ConfigError, match=r"^task\.path: .*x\.gz: damaged \(") as error:
        read_idx(path, 3)
    assert "\n" not in str(error.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"train-images-idx3-ubyte: No such file or directory$"):
        MNIST(path=str(tmp_path)).dataset()


def test_more_images_than_there_are_is_refused():
    with pytest.raises(ConfigError, match=r"^task\.examples: .* has only 60 images$"):
        MNIST(path=MADE_UP, examples=61).dataset()
