"""A training loop as papers ship it: weights saved under the final name, metrics in a list.

It goes on from the weights where there are some. That is already more than many scripts do.
"""

import pickle
from pathlib import Path
from typing import Any

import problem
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(folder: str, batch: int) -> None:
    """Train, or go on from the last weights."""
    torch.manual_seed(0)
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    model = problem.network()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=problem.RATE, weight_decay=problem.DECAY, betas=(0.9, 0.98)
    )
    loader = DataLoader(TensorDataset(*problem.data()), batch_size=batch, shuffle=True)
    begun = 0
    if (out / "model.pt").exists():
        saved = torch.load(out / "model.pt")
        model.load_state_dict(saved["model"])
        begun = saved["epoch"] + 1
    save_every = max(problem.SAVE_EVERY // len(loader), 1)
    metrics = []
    for epoch in range(begun, problem.epochs(batch)):
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
        metrics.append({"epoch": epoch, "loss": loss.item()})
        if (epoch + 1) % save_every == 0 or epoch + 1 == problem.epochs(batch):
            torch.save({"model": model.state_dict(), "epoch": epoch}, out / "model.pt")
    with (out / "metrics.pkl").open("wb") as file:
        pickle.dump(metrics, file)


def newest(folder: Path) -> list[Path]:
    """Return the files of the newest checkpoint."""
    return [folder / "model.pt"]


def records(folder: Path) -> list[Path]:
    """Return the files of the history."""
    return [folder / "metrics.pkl"]


def end(folder: Path) -> dict[str, Any]:
    """Return what a reader finds in the end."""
    saved = torch.load(folder / "model.pt")
    with (folder / "metrics.pkl").open("rb") as file:
        history = pickle.load(file)
    return {"weights": saved["model"], "optimizer": {}, "history": history, "at": saved["epoch"]}
