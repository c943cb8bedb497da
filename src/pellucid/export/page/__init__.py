"""A trained network as one web page: weights, an engine in plain JavaScript, and what shows it at work."""

from pellucid.export.page.html import PageImage, Subject, page_html
from pellucid.export.page.weights import carried_state

__all__ = ["PageImage", "Subject", "carried_state", "page_html"]
