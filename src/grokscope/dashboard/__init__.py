"""The dashboard: a folder of runs in the browser, read-only, while they train."""

from grokscope.dashboard.server import serve

__all__ = ["serve"]
