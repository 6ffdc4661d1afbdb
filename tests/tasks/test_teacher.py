import dataclasses
import math

import numpy as np
import pytest
import torch

from grokscope.tasks.teacher import Teacher


def test_a_linear_teacher_is_found_by_least_squares():
    task = Teacher(d=6, examples=40)
    dataset = task.dataset()
    found = np.linalg.lstsq(dataset.inputs.numpy(), dataset.targets.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found, task.weights[0].numpy(), atol=1e-12)


def test_a_tanh_teacher_answers_by_its_formula():
    task = Teacher(teacher="tanh", d=3, width=4, examples=20)
    dataset = task.dataset()
    # The outputs are what is left unknown: 20 equations for 4 numbers.
    units = np.array(
        [
            [
                math.tanh(sum(w * v for w, v in zip(row, x, strict=True)))
                for row in task.weights.tolist()
            ]
            for x in dataset.inputs.tolist()
        ]
    )
    outputs, residual, rank, _ = np.linalg.lstsq(units, dataset.targets.numpy(), rcond=None)
    assert rank == 4
    assert residual[0] < 1e-20
    assert 0 < np.abs(outputs).max() < 4 / math.sqrt(4)


@pytest.mark.parametrize("teacher", ["linear", "tanh"])
def test_inputs_and_targets_have_the_stated_sizes(teacher):
    dataset = Teacher(teacher=teacher, d=200, width=100, examples=3000).dataset()
    assert dataset.inputs.var().item() == pytest.approx(1, rel=0.01)
    variance = dataset.targets.var().item()
    # Over the draw of a teacher the variance of a linear one is 1 ± √(2/200).
    assert 0.7 < variance < 1.3 if teacher == "linear" else 0.1 < variance < 1


def test_noise_is_added_to_the_targets_and_changes_nothing_else():
    clean = Teacher(d=5, examples=4000)
    noisy = dataclasses.replace(clean, noise=0.5).dataset()
    assert torch.equal(noisy.inputs, clean.dataset().inputs)
    difference = noisy.targets - clean.dataset().targets
    assert difference.std().item() == pytest.approx(0.5, rel=0.05)
    assert abs(difference.mean().item()) < 0.04


def test_another_draw_is_another_teacher():
    one, other = Teacher(draw=0), Teacher(draw=1)
    assert not torch.equal(one.weights, other.weights)
    assert not torch.equal(one.dataset().inputs, other.dataset().inputs)
