"""Integer arithmetic of quantised networks."""
