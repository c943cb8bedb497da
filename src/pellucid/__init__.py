"""Pellucid: convolutional networks in which every step can be read, checked and seen."""

__version__ = "0.1.0"
