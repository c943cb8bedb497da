"""Finds digits on scenes, as boxes: `python examples/detection.py [epochs] [scenes]`."""

import sys
from pathlib import Path

import pellucid as pl

epochs, scenes = (float(word) for word in (*sys.argv[1:], "2", "5000")[:2])
data = pl.data.load_boxed(scenes={"train": int(scenes), "test": 100})
network = pl.Network(pl.zoo.detector_small(len(data.class_names)), data.shape)
run = pl.fit(
    network, data, optimizer=pl.optim.AdamW(2e-3), schedule=pl.optim.OneCycle(), epochs=epochs, batch_size=16
)
print(run.evaluate())
found = run.model.predict(data.test.inputs[:1])[0]
print(found)
Path("found.png").write_bytes(found.picture())
