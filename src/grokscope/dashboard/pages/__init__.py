"""The sections of the dashboard: one file each, which names groups of metrics and figures."""

from grokscope.dashboard.pages.base import PAGES, Page, page

__all__ = ["PAGES", "Page", "page"]
