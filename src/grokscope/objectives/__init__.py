"""Objectives: a loss on the logits plus weighted penalties."""

from grokscope.objectives.base import LOSSES, PENALTIES, Loss, Objective, Penalty, Terms, View

__all__ = ["LOSSES", "PENALTIES", "Loss", "Objective", "Penalty", "Terms", "View"]
