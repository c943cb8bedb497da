"""Ops that treat each element, or each channel, by itself, and sums of them."""
