"""Whether a training run outlives what may happen to it: `python -m benchmarks.durability [--times 100]`.

A run is struck again and again, gone on with each time, and compared at its end with the same run that was left
alone. After every blow its folder is read: each file is whole, the checkpoint is no older than before, and every line
of the history is one of the run that was left alone.
"""
