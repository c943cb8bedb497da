"""Networks as programs for other machines."""

from pellucid.export.c import Exported, export_c

__all__ = ["Exported", "export_c"]
