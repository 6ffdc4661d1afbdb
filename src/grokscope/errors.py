"""The errors of grokscope: each says where, what was expected, what was given, and what to do."""


class GrokscopeError(Exception):
    """Root of the errors grokscope raises on purpose; `exit_code` is what the command returns."""

    exit_code = 1


class ConfigError(GrokscopeError, ValueError):
    """A configuration or an argument that cannot mean anything. One line per problem."""

    exit_code = 2


class LockedError(GrokscopeError):
    """Another process is writing this run."""

    exit_code = 3


class DivergedError(GrokscopeError):
    """The loss, a weight or a gradient stopped being a finite number."""

    exit_code = 4


class StorageError(GrokscopeError):
    """The disk refused: full, read-only, or not permitted."""

    exit_code = 5


class NoValidStateError(GrokscopeError):
    """A run holds no checkpoint or history that passes its own hashes."""

    exit_code = 6


class ScienceError(GrokscopeError, ValueError):
    """A measure was asked of something it is not defined for."""

    exit_code = 2


class TooLargeError(GrokscopeError, MemoryError):
    """A computation would take more memory than there is; it was not begun."""

    exit_code = 2
