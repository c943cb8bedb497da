"""Convolutions: which algorithm does which, and all but Winograd's."""
