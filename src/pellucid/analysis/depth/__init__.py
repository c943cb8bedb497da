"""The depth experiment: networks from shallow and wide to deep and narrow, at an equal budget."""

from pellucid.analysis.depth.cells import Cell, Result, Settings
from pellucid.analysis.depth.families import BUDGETS, Member, family
from pellucid.analysis.depth.findings import Findings
from pellucid.analysis.depth.report import write_report

__all__ = [
    "BUDGETS",
    "Cell",
    "Findings",
    "Member",
    "Result",
    "Settings",
    "family",
    "write_report",
]
