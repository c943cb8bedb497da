"""Which kernels a recorded step spends its time in, on a card: ours and PyTorch's, by PyTorch's profiler.

python -m benchmarks.gpu_profile [deep-convnet|resnet18 BATCH [TYPE ...]]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks import gpu, torch_gpu
from pellucid import ops
from pellucid.data import mnist_dataset
from pellucid.zoo import create

STEPS, LINES = 20, 28


def profile(title: str, call: Callable[[], object], wait: Callable[[], object]) -> None:
    """Print the kernels of `call`, those that take longest first: microseconds and calls of one step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    for _ in range(3):
        call()
    wait()
    with profiled(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(STEPS):
            call()
        wait()
    rows = [(event.self_device_time_total / STEPS, event.count / STEPS, event.key) for event in found.key_averages()]
    rows.sort(reverse=True)
    print(f"\n{title}: {sum(row[0] for row in rows):.1f} us in {sum(row[1] for row in rows):.0f} kernels")
    for time, count, name in rows[:LINES]:
        print(f"  {time:9.1f} us  {count:5.1f}  {name[:110]}")


def main() -> None:
    name, batch, *kinds = sys.argv[1:] or ["deep-convnet", "128"]
    ops.set_backend("cuda")
    size = int(batch)
    deep = name == "deep-convnet"
    data = mnist_dataset(train=True) if deep else gpu.random_images(size * (STEPS + 4), (3, 224, 224), 1000)
    for kind in kinds or ("bfloat16", "float32"):
        ours = gpu.our_training(lambda: create(name, data.classes), data, size, kind)
        ours.begin()
        ours.wait()
        profile(f"pellucid {name} {size} {kind}", ours.call, ours.wait)
    images = np.asarray(data.inputs[:size], np.float32) / 255
    labels = np.asarray(data.targets[:size]).astype(np.int64)
    theirs = torch_gpu.training(torch_gpu.NETWORKS[name](), images, labels, bfloat16=True)
    profile(f"torch {name} {size} bfloat16 autocast", *theirs)


if __name__ == "__main__":
    main()
