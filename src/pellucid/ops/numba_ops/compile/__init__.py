"""How kernels are compiled, kept, cut into parts and run on threads; vector registers from Python."""
