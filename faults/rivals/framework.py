"""PyTorch Lightning as its documentation recommends: ModelCheckpoint, CSVLogger, ckpt_path="last".

Also what its documentation offers for rough weather: save_on_exception, and a flush of the log as
often as a checkpoint is saved. Histories of several starts are joined by step, the later one wins.
"""

import csv
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import problem
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Module(lightning.LightningModule):
    """The network with its loss and optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.network = problem.network()

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Return the loss of a batch."""
        loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(
            self.parameters(), lr=problem.RATE, weight_decay=problem.DECAY, betas=(0.9, 0.98)
        )


def train(folder: str, batch: int) -> None:
    """Train, or go on from the last checkpoint."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    lightning.seed_everything(0, workers=True, verbose=False)
    loader = DataLoader(TensorDataset(*problem.data()), batch_size=batch, shuffle=True)
    every = max(problem.SAVE_EVERY // len(loader), 1)
    saving = ModelCheckpoint(
        dirpath=Path(folder) / "checkpoints",
        save_last=True,
        save_top_k=-1,
        every_n_epochs=every,
        save_on_exception=True,
    )
    trainer = lightning.Trainer(
        max_epochs=problem.epochs(batch),
        accelerator="cpu",
        deterministic=True,
        callbacks=[saving],
        logger=CSVLogger(folder, flush_logs_every_n_steps=every * len(loader)),
        log_every_n_steps=problem.LOG_EVERY,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), loader, ckpt_path="last")


def newest(folder: Path) -> list[Path]:
    """Return the files of the newest checkpoint: `last.ckpt`, which is what is gone on from."""
    return [folder / "checkpoints" / "last.ckpt"]


def records(folder: Path) -> list[Path]:
    """Return the files of the history."""
    return sorted(folder.glob("lightning_logs/version_*/metrics.csv"), key=_number)


def _number(path: Path) -> int:
    return int(path.parent.name.partition("_")[2])


def end(folder: Path) -> dict[str, Any]:
    """Return what a reader finds in the end."""
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    moments = {
        f"{number}.{name}": value
        for number, state in saved["optimizer_states"][0]["state"].items()
        for name, value in state.items()
    }
    rows: dict[int, float] = {}
    for path in records(folder):
        with path.open(newline="") as file:
            rows |= {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    return {
        "weights": saved["state_dict"],
        "optimizer": moments,
        "history": sorted(rows.items()),
        "at": saved["global_step"],
    }
