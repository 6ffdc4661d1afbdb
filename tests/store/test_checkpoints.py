import random
import shutil

import pytest
import torch

from grokscope.errors import NoValidStateError
from grokscope.store import checkpoint
from grokscope.store.checkpoint import Checkpoint

FLIPS = 200
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


@pytest.fixture
def run(tmp_path):
    """Return a directory with two small checkpoints."""
    for step in (5, 10):
        checkpoint.write(tmp_path, content(step))
    return tmp_path


def content(step):
    numbers = torch.arange(6, dtype=torch.float32) + step
    return Checkpoint(
        step=step,
        params={"a.weight": numbers.view(2, 3), "b": numbers[:1].clone()},
        optimizer={"exp_avg": -numbers},
        facts={"rows": step, "seconds": 0.5, "milestones": {"streak": 1}},
    )


def same(left, right):
    return (
        left.step == right.step
        and left.facts["rows"] == right.facts["rows"]
        and left.facts["milestones"] == right.facts["milestones"]
        and all(torch.equal(x, right.params[name]) for name, x in left.params.items())
        and all(torch.equal(x, right.optimizer[name]) for name, x in left.optimizer.items())
    )


def test_what_is_read_is_what_was_written(run):
    assert checkpoint.steps(run) == [5, 10]
    for step in (5, 10):
        assert same(content(step), checkpoint.read(run, step))


def test_every_flipped_bit_is_noticed(run):
    folder = checkpoint.directory(run, 10)
    rng = random.Random(0)
    sizes = [(folder / name).stat().st_size for name in FILES]
    for _ in range(FLIPS):
        name = rng.choices(FILES, sizes)[0]
        path = folder / name
        before = path.read_bytes()
        bit = rng.randrange(8 * len(before))
        flipped = bytearray(before)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = checkpoint.read(run, 10)
        except NoValidStateError as error:
            assert str(folder) in str(error)  # noqa: PT017 - a flip may also leave all as it was
        else:
            # The version of a manifest guards nothing; what it lists must still be the truth.
            assert name == "manifest.json", (name, bit)
            assert same(content(10), found), (name, bit)
        path.write_bytes(before)
    assert same(content(10), checkpoint.read(run, 10))


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(run, name):
    path = checkpoint.directory(run, 10) / name
    before = path.read_bytes()
    rng = random.Random(1)
    ends = {0, 1, len(before) // 2, len(before) - 2}
    for end in ends | {rng.randrange(len(before) - 1) for _ in range(20)}:
        path.write_bytes(before[:end])
        with pytest.raises(NoValidStateError, match=name):
            checkpoint.read(run, 10)


@pytest.mark.parametrize("name", FILES)
def test_zeros_instead_of_content_are_noticed(run, name):
    path = checkpoint.directory(run, 10) / name
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(NoValidStateError, match=name):
        checkpoint.read(run, 10)


@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_of_another_checkpoint_is_noticed(run, name):
    shutil.copy(checkpoint.directory(run, 5) / name, checkpoint.directory(run, 10) / name)
    with pytest.raises(NoValidStateError, match=f"{name}: does not match its SHA-256"):
        checkpoint.read(run, 10)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_noticed(run, name):
    (checkpoint.directory(run, 10) / name).unlink()
    with pytest.raises(NoValidStateError, match=f"{name}: missing"):
        checkpoint.read(run, 10)


def test_a_whole_checkpoint_under_another_step_is_noticed(run):
    # The hashes hold, yet the state is of step 5: going on from it as 10 would skip five updates.
    shutil.rmtree(checkpoint.directory(run, 10))
    shutil.copytree(checkpoint.directory(run, 5), checkpoint.directory(run, 10))
    with pytest.raises(NoValidStateError, match="step"):
        checkpoint.read(run, 10)


def test_the_newest_valid_one_wins(run):
    (checkpoint.directory(run, 10) / "state.json").write_bytes(b"{}")
    found, problems = checkpoint.newest(run)
    assert found.step == 5
    assert len(problems) == 1
    assert "state.json" in problems[0]
    (checkpoint.directory(run, 5) / "state.json").unlink()
    found, problems = checkpoint.newest(run)
    assert found is None
    assert len(problems) == 2


def test_a_damaged_one_gets_a_free_name_and_keeps_its_files(run):
    path = checkpoint.directory(run, 10)
    names = []
    for _ in range(3):
        (path / "state.json").write_bytes(b"{}")
        names.append(checkpoint.set_aside(path).name)
        assert not path.exists()
        checkpoint.write(run, content(10))
    assert names == [f"damaged_step_000000010_{i}" for i in range(3)]
    assert all((path.parent / name / "model.safetensors").exists() for name in names)
    assert checkpoint.steps(run) == [5, 10]


def test_writing_leaves_a_valid_one_alone_and_sets_a_damaged_one_aside(run):
    path = checkpoint.directory(run, 10)
    before = (path / "manifest.json").stat().st_mtime_ns, (path / "manifest.json").stat().st_ino
    checkpoint.write(run, content(10))
    after = (path / "manifest.json").stat().st_mtime_ns, (path / "manifest.json").stat().st_ino
    assert after == before
    (path / "model.safetensors").write_bytes(b"")
    checkpoint.write(run, content(10))
    assert same(content(10), checkpoint.read(run, 10))
    assert (path.parent / "damaged_step_000000010_0" / "model.safetensors").read_bytes() == b""


def test_leftovers_of_a_dead_writer_are_no_checkpoints(run):
    (run / "checkpoints" / ".step_000000015.tmp").mkdir()
    (run / "checkpoints" / "step_x").mkdir()
    (run / "checkpoints" / "damaged_step_000000020_0").mkdir()
    assert checkpoint.steps(run) == [5, 10]


def test_a_checkpoint_of_another_network_is_refused(run):
    from grokscope.ops.params import Entry, Layout

    found = checkpoint.read(run, 10)
    right = Layout((Entry("a.weight", (2, 3), "weight", 3), Entry("b", (1,), "bias", 0)))
    expected = torch.tensor([10.0, 11, 12, 13, 14, 15, 10])
    assert torch.equal(found.flat(right), expected)
    for wrong in (
        Layout((Entry("a.weight", (3, 2), "weight", 2), Entry("b", (1,), "bias", 0))),
        Layout((Entry("a.weight", (2, 3), "weight", 3),)),
        Layout((*right.entries, Entry("c", (1,), "bias", 0))),
    ):
        with pytest.raises(NoValidStateError, match=r"of another network: \S+ differs"):
            found.flat(wrong)
