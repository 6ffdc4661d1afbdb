"""Configurations to run directories: training and the store, joined."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.config import RunConfig, decode, encode, identity, load
from grokscope.config.decode import merge, parse_override
from grokscope.engine import Finished, Measured, Milestones, Record, Saved, State
from grokscope.engine import train as records_of
from grokscope.engine.diagnosis import ADVICE
from grokscope.engine.member import Member
from grokscope.errors import ConfigError, DivergedError, GrokscopeError, NoValidStateError
from grokscope.store import Run, Writer, create, open_run, reopen
from grokscope.store.checkpoint import Checkpoint
from grokscope.store.lock import held
from grokscope.store.provenance import drift, provenance
from grokscope.store.writer import check_name

Observer = Callable[[Record], None]
Stop = Callable[[], bool]


def train(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    out: str | Path = "runs",
    name: str | None = None,
    observer: Observer = lambda record: None,
    stop_requested: Stop = lambda: False,
) -> Run:
    """Train one run and return it, stored below `out`.

    config: a configuration, a recipe's name, a YAML file or nested data; overrides: `path=value`.
    Without a name the run takes the configuration's, with a number where that is taken. observer
    sees every record; stop_requested is asked at every step boundary and ends the run with a
    checkpoint. Raises ConfigError before anything is written, DivergedError after the last row.

    >>> import tempfile
    >>> run = train("quick", ["steps=20"], out=tempfile.mkdtemp())
    >>> run.history["step"].to_list()
    [0, 10, 20]
    """
    resolved = _resolve(config, overrides)
    member = Member(0, resolved)  # raises before a directory exists
    facts = provenance(resolved, member.problem.split.hash)
    path = Path(out) / (free_name(Path(out), resolved) if name is None else check_name(name))
    resolved = dataclasses.replace(resolved, name=path.name)
    with create(path, resolved, facts) as writer:
        return _write(resolved, writer, None, observer, stop_requested)


def train_cohort(
    configs: Sequence[RunConfig],
    *,
    out: str | Path,
    names: Sequence[str],
    stop_requested: Stop = lambda: False,
) -> list[str]:
    """Train runs that may form a cohort in one batch; return what went wrong with each, or ''.

    Each is stored as if it had been trained alone. Raises ConfigError before anything is written.
    """
    places = [Path(out) / check_name(name) for name in names]
    named = [dataclasses.replace(c, name=n) for c, n in zip(configs, names, strict=True)]
    hashes = [Member(i, config).problem.split.hash for i, config in enumerate(named)]
    errors = [""] * len(named)
    with contextlib.ExitStack() as stack:
        entries = zip(places, named, hashes, strict=True)
        writers = [
            stack.enter_context(create(path, config, provenance(config, split)))
            for path, config, split in entries
        ]
        logs = [_Log(writer, {}) for writer in writers]
        for record in records_of(named, mapped="batch", stop_requested=stop_requested):
            logs[record.member].write(record)
            if isinstance(record, Finished):
                errors[record.member] = record.reason
    return errors


def resume(
    run: Run | str | Path,
    overrides: Sequence[str] = (),
    *,
    allow_drift: bool = False,
    observer: Observer = lambda record: None,
    stop_requested: Stop = lambda: False,
) -> Run:
    """Go on with a run from its newest valid checkpoint, as if it had never stopped.

    overrides: `steps=N` or `steps=+N` to train longer; a run that had ended by grokking then goes
    on to its last step (`stop` becomes `never`). A sound run with nothing left to do is returned
    untouched. Raises ConfigError for any other change, also of what decides the bits: code, data,
    PyTorch, device, threads; allow_drift goes on all the same and records what changed.
    """
    run = open_run(run) if not isinstance(run, Run) else run
    with held(run.path) as claim:  # first of all: who comes second is told at once
        config = extend(run, overrides)
        finished = run.status.get("state") == "finished" and config == run.config
        if finished and not run.verify():
            return run
        facts = provenance(config, Member(0, config).problem.split.hash)
        changes = drift(run.provenance, facts)
        if changes and not allow_drift:
            raise ConfigError(
                f"{run.path}: would not go on to the same bits: {'; '.join(changes)}; undo the "
                "change, or go on with --allow-drift, which is recorded"
            )
        with reopen(run.path, config, claim) as (writer, checkpoint):
            state = None if checkpoint is None else state_of(config, checkpoint)
            if changes:
                writer.drifted(facts, changes, 0 if state is None else state.step)
            return _write(config, writer, state, observer, stop_requested)


def settle(
    config: RunConfig,
    path: Path,
    *,
    allow_drift: bool = False,
    observer: Observer = lambda record: None,
    stop_requested: Stop = lambda: False,
) -> Run:
    """Bring the run at `path` to its end from wherever it stands, and return it.

    It is begun where there is none, gone on with where it is not done, made longer where `config`
    asks for more, and left as it is where it has all that. Raises ConfigError where the run there
    is of another configuration.
    """
    run = run_at(path, config)
    if run is None:
        watched: dict[str, Any] = {"observer": observer, "stop_requested": stop_requested}
        return train(config, out=path.parent, name=path.name, **watched)
    return resume(
        run,
        missing_steps(run, config),
        allow_drift=allow_drift,
        observer=observer,
        stop_requested=stop_requested,
    )


def run_at(path: Path, config: RunConfig) -> Run | None:
    """Return the run at `path`, None where there is none yet.

    Raises ConfigError where it is of another configuration.
    """
    if not (path / "config.yaml").is_file():
        return None
    run = open_run(path)
    if identity(run.config) != identity(config):
        raise ConfigError(f"{path}: holds a run of another configuration; choose another name")
    return run


def missing_steps(run: Run, config: RunConfig) -> list[str]:
    """Return the override with which a run goes as far as `config` asks; empty where it will."""
    enough = run.config.steps if config.stop == run.config.stop else run.status.get("step", 0)
    if config.stop == "grokked" and run.outcome == "grokked":
        enough = config.steps
    return [f"steps={config.steps}"] if config.steps > enough else []


def extend(run: Run, overrides: Sequence[str]) -> RunConfig:
    """Return the configuration of a run with more steps."""
    tree = encode(run.config)
    for text in overrides:
        path, value = parse_override(text)
        if path != "steps":
            raise ConfigError(f"{path}: only steps may change when a run goes on")
        added = text.partition("=")[2].strip().startswith("+")
        wanted = (
            value + (run.status.get("step", 0) if added else 0) if isinstance(value, int) else value
        )
        tree = merge(tree, {"steps": (wanted, "command line")})
        if isinstance(wanted, int) and wanted < run.status.get("step", 0):
            raise ConfigError(f"steps: the run is already at step {run.status['step']}")
        if run.status.get("outcome") == "grokked":
            tree["stop"] = "never"
    return decode(tree)


def state_of(config: RunConfig, checkpoint: Checkpoint) -> State:
    """Return the state that a checkpoint of this configuration holds."""
    member = Member(0, config)
    layout, kept = member.problem.layout, checkpoint.optimizer
    params = checkpoint.flat(layout)
    facts = {name: (x.shape, x.dtype) for name, x in kept.items()}
    if facts != {name: (x.shape, x.dtype) for name, x in member.optimizer.items()}:
        raise NoValidStateError(f"{config.name}: the checkpoint is of another optimizer")
    if params.dtype != member.params.dtype:
        raise NoValidStateError(f"{config.name}: the checkpoint is of another precision")
    try:
        milestones = _milestones(**checkpoint.facts["milestones"])
        measured, seconds = checkpoint.facts["measured"], checkpoint.facts["seconds"]
    except (KeyError, TypeError):
        raise NoValidStateError(f"{config.name}: the checkpoint lacks what was reached") from None
    return State(
        step=checkpoint.step,
        params=params,
        optimizer=kept,
        milestones=milestones,
        layout=layout,
        measured=measured,
        seconds=seconds,
    )


def _milestones(**facts: Any) -> Milestones:
    """Return milestones. Raises TypeError where these facts are none."""
    steps = [facts.get(name) for name in ("memorized_at", "grokked_at")]
    numbers = [facts.get(name, 0) for name in ("streak", "streak_at", "test_acc")]
    if not all(
        isinstance(x, (int, float)) for x in [*numbers, *(x for x in steps if x is not None)]
    ):
        raise TypeError("milestones are steps, a count and an accuracy")
    return Milestones(**facts)


def _resolve(
    config: RunConfig | str | Path | Mapping[str, Any], overrides: Sequence[str]
) -> RunConfig:
    if isinstance(config, (str, Path)):
        return load(config, overrides)
    tree = encode(config) if isinstance(config, RunConfig) else dict(config)
    changes = {path: (value, "override") for path, value in map(parse_override, overrides)}
    return decode(merge(tree, changes), changes=changes)


def free_name(out: Path, config: RunConfig, taken: Collection[str] = ()) -> str:
    """Return the first free name for a run: that of its configuration, or with a number."""
    base = check_name(config.name or "run")
    number = 1
    while (name := base if number == 1 else f"{base}-{number}") in taken or (out / name).exists():
        number += 1
    return name


def _write(
    config: RunConfig,
    writer: Writer,
    state: State | None,
    observer: Observer,
    stop_requested: Stop,
) -> Run:
    states = {} if state is None else {0: state}
    log = _Log(writer, {} if state is None else open_run(writer.path).last)
    ends: list[Finished] = []
    try:
        for record in records_of([config], states=states, stop_requested=stop_requested):
            log.write(record)
            observer(record)
            ends += [record] if isinstance(record, Finished) else []
    except BaseException:
        with contextlib.suppress(GrokscopeError):
            writer.status(state="failed")
        raise
    return _done(writer.path, *ends)


class _Log:
    """What of one run's records goes where in its directory."""

    def __init__(self, writer: Writer, last: Mapping[str, float]) -> None:
        self._writer = writer
        self._last = dict(last)
        self._missing: dict[str, str] = {}

    def write(self, record: Record) -> None:
        """Write one record."""
        if isinstance(record, Measured):
            self._last = dict(record.values)
            self._writer.measured(record.step, self._last, record.seconds)
            self._missing |= record.missing
        elif isinstance(record, Saved):
            self._writer.saved(_checkpoint(record.state))
        else:
            self._finish(record)

    def _finish(self, record: Finished) -> None:
        milestones = record.milestones
        if record.diagnosis:
            self._writer.diagnosed(record.diagnosis)
        self._writer.finish(
            compact=not record.interrupted,
            state="interrupted" if record.interrupted else "finished",
            step=record.step,
            outcome=None if record.interrupted else record.outcome,
            memorized_at=milestones.memorized_at,
            grokked_at=milestones.grokked_at,
            seconds=record.seconds,
            reason=record.reason,
            last=self._last,
            missing=self._missing,
        )


def _done(path: Path, record: Finished) -> Run:
    run = open_run(path)
    if record.outcome == "diverged":
        raise DivergedError(
            f"{path}: {record.reason}, first in {record.diagnosis['first_bad']}; "
            f"{ADVICE[0]} or {ADVICE[1]}; see diagnosis.json there"
        )
    if not record.interrupted:
        run.analyze("grokking_time")
    return run


def _checkpoint(state: State) -> Checkpoint:
    return Checkpoint(
        step=state.step,
        params=state.layout.split(state.params),
        optimizer=dict(state.optimizer),
        facts={
            "milestones": dataclasses.asdict(state.milestones),
            "measured": state.measured,
            "seconds": state.seconds,
        },
    )
