"""Configuration: one frozen tree, one path language, errors of one line."""

from grokscope.config.build import problem_of
from grokscope.config.decode import decode, load, recipes
from grokscope.config.describe import schema_json
from grokscope.config.encode import encode, identity, to_yaml
from grokscope.config.schema import (
    Batch,
    CheckpointSchedule,
    MeasureSchedule,
    Precision,
    RunConfig,
)

__all__ = [
    "Batch",
    "CheckpointSchedule",
    "MeasureSchedule",
    "Precision",
    "RunConfig",
    "decode",
    "encode",
    "identity",
    "load",
    "problem_of",
    "recipes",
    "schema_json",
    "to_yaml",
]
