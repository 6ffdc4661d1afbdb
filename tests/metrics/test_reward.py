import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.metrics import METRICS, measure
from grokscope.metrics.curves import accuracy, right
from grokscope.models.linear import Linear
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.mse import MSE
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular
from grokscope.tasks.sequence import Sequence
from grokscope.tasks.teacher import Teacher


def snapshot(task, model, loss):
    problem, flat = Problem.build(
        task=task,
        data=Data(train_fraction=0.5),
        model=model,
        objective=Objective(loss),
        seed=0,
        dtype=torch.float64,
    )
    return Snapshot(problem, flat)


def both(found):
    return measure(found, [METRICS["curves"], METRICS["reward"]])


def test_accuracy_counts_symbols_and_reward_whole_sequences():
    task = Sequence(size=3, length=3, examples=None)
    found = snapshot(task, Transformer(d_model=8, num_heads=2, d_mlp=8), CrossEntropy())
    for side in ("train", "test"):
        examples = getattr(found.problem, side)
        predicted = getattr(found, f"{side}_logits").argmax(-1).tolist()
        symbols = sequences = 0
        for guess, target in zip(predicted, examples.targets.tolist(), strict=True):
            symbols += sum(g == t for g, t in zip(guess, target, strict=True))
            sequences += guess == target
        n = len(examples)
        values = both(found)
        assert values[f"{side}_acc"] == pytest.approx(symbols / (3 * n), abs=1e-12)
        assert values[f"{side}_reward"] == pytest.approx(sequences / n, abs=1e-12)


def test_teacher_forcing_rewards_what_greedy_decoding_gets_right():
    # Decode symbol by symbol from the network's own answers, for a network that is partly right.
    task = Sequence(size=2, length=3, examples=None)
    hits = {True: 0, False: 0}
    for seed in range(8):
        network = Transformer(d_model=8, num_heads=2, d_mlp=8).build(task.dataset().signature)
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        dataset = task.dataset()
        forced = right(network(network.prepare(dataset.inputs)), dataset.targets).all(1)
        for tokens, target, rewarded in zip(dataset.inputs, dataset.targets, forced, strict=True):
            decoded = tokens.clone()
            for place in range(3):
                symbol = network(network.prepare(decoded[None]))[0, place].argmax()
                if place < 2:
                    decoded[4 + place] = symbol
                answer = symbol if place == 0 else torch.hstack([answer, symbol])
            assert torch.equal(answer, target) == bool(rewarded)
            hits[bool(rewarded)] += 1
    assert min(hits.values()) >= 3


def test_with_one_answer_reward_is_accuracy():
    values = both(snapshot(Modular(p=5), Linear(), CrossEntropy()))
    for side in ("train", "test"):
        assert values[f"{side}_reward"] == values[f"{side}_acc"]


def test_a_real_answer_is_right_within_the_tolerance():
    logits, targets = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.25, 2.0, 2.0])
    assert right(logits, targets, 0.0625).tolist() == [True, True, False]
    assert accuracy(logits, targets, 0.06).item() == pytest.approx(1 / 3)


def test_the_tolerance_of_the_task_decides_the_curves():
    found = snapshot(Teacher(d=3, examples=40, tolerance=0.5), Linear(), MSE())
    errors = (found.test_logits[:, 0] - found.problem.test.targets).square()
    expected = float((errors <= 0.5).double().mean())
    values = both(found)
    assert 0 < expected < 1
    assert values["test_acc"] == values["test_reward"] == pytest.approx(expected)
    assert values["test_loss"] == pytest.approx(errors.mean().item(), rel=1e-12)


def test_a_loss_on_classes_is_refused_for_real_targets():
    with pytest.raises(ConfigError, match=r"^loss\.kind: cross_entropy needs classes, and task te"):
        snapshot(Teacher(d=3, examples=40), Linear(), CrossEntropy())
