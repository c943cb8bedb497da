"""CIFAR-10 by the recipe `cifar10`: accuracy and time, and the same network, recipe and images in PyTorch.

    python -m benchmarks.cifar10 --data FOLDER [--side ours|torch|both] [--epochs 8] [--images N] [--precision P]

FOLDER has CIFAR's binary files, or train/ and test/ with a folder a class. PyTorch trains in its fastest way here:
channels last, bfloat16 autocast; shifts and mirroring are its own. Each side's clock begins with the images in memory
and ends with the last step; evaluation comes after. --images trains on so many, evenly spaced, for a quick look.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.measure import clean_environment, machine
from benchmarks.torch_twin import torch_twin
from pellucid import ops, training
from pellucid.data import Data
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.parameter_groups import group_of
from pellucid.recipes import Recipe, build_data, build_loader, build_trainer, load_recipe
from pellucid.recipes.settled import settled
from pellucid.training import SCHEDULES

SHIFT = 2


def load(options: argparse.Namespace) -> tuple[Recipe, Data]:
    """The recipe with what was asked for, and its images in memory."""
    changes = {
        "data.source": options.data, "training.epochs": options.epochs, "training.seed": options.seed,
        "training.precision": options.precision,
    }  # fmt: skip
    recipe = load_recipe("cifar10", changes)
    data = build_data(recipe)
    train, test = (replace(part, inputs=np.asarray(part.inputs)) for part in (data.train, data.test))
    if options.images:
        train = train.subset(np.linspace(0, len(train) - 1, options.images).round().astype(int))
    data = replace(data, train=train, test=test)
    return settled(recipe, data), data


def ours(recipe: Recipe, data: Data) -> tuple[float, float]:
    """(accuracy, seconds of training)."""
    trainer = build_trainer(recipe, data)
    trainer.evaluations, trainer.samples = {}, {}
    start = time.perf_counter()
    trainer.fit()
    seconds = time.perf_counter() - start
    with trainer.final_weights() as network:
        measured = training.evaluate(network, trainer.task, build_loader(recipe, data.test, training=False))
    return measured["accuracy"], seconds


def theirs(recipe: Recipe, data: Data) -> tuple[float, float]:
    """The same in PyTorch, from the same first weights."""
    import torch

    torch.set_num_threads(ops.threads())
    trainer = build_trainer(recipe, data)
    twin = torch_twin(_in_float32(trainer.network)).to(memory_format=torch.channels_last)
    settings, schedule = recipe.optimizer, trainer.schedule
    assert isinstance(schedule, SCHEDULES["one-cycle"])
    optimizer = torch.optim.SGD(
        _groups(trainer.network, twin, settings["rate"], settings["weight_decay"]),
        settings["rate"], settings["momentum"], nesterov=True,
    )  # fmt: skip
    rates = [group["lr"] for group in optimizer.param_groups]
    mean, std = (torch.tensor(values)[:, None, None] for values in (recipe.data.mean, recipe.data.std))
    images, labels = torch.from_numpy(_contiguous(data.train.inputs)), torch.from_numpy(data.train.targets)
    size, generator = recipe.training.batch_size, torch.Generator().manual_seed(recipe.training.seed)
    smoothing = recipe.task["label_smoothing"]
    start, step = time.perf_counter(), 0
    twin.train()
    while step < trainer.total_steps:
        for rows in torch.randperm(len(images), generator=generator).split(size):
            if step == trainer.total_steps:
                break
            x = (_changed(images[rows], generator).float() / 255 - mean) / std
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule(step)
            with torch.autocast("cpu", torch.bfloat16):
                outputs = twin(x.contiguous(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(outputs.float(), labels[rows], label_smoothing=smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
    seconds = time.perf_counter() - start
    twin.eval()
    right, test = 0, torch.from_numpy(_contiguous(data.test.inputs))
    with torch.inference_mode():
        for rows in torch.arange(len(test)).split(1000):
            x = ((test[rows].float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
            right += int((twin(x).argmax(1).numpy() == data.test.targets[rows.numpy()]).sum())
    return right / len(test), seconds


def _groups(network: Network, twin: Any, rate: float, decay: float) -> list[dict[str, Any]]:
    """PyTorch's parameters that learn, one a group, with the recipe's rates and decays of them."""
    names = [name for name, parameter in network.parameters.items() if parameter.trained]
    groups: list[dict[str, Any]] = []
    for name, parameter in zip(names, twin.parameters(), strict=True):
        group = group_of(name, network.groups)
        parameter.requires_grad_(not group.frozen)
        if not group.frozen:
            groups.append({"params": [parameter], "lr": rate * group.rate, "weight_decay": decay * group.decay})
    return groups


def _in_float32(network: Network) -> Network:
    return network if network.dtype == np.float32 else network.astype(np.float32)


def _contiguous(images: Any) -> Array:
    return np.ascontiguousarray(images)


def _changed(images: Any, generator: Any) -> Any:
    """Images (n, 3, H, W) shifted by up to SHIFT pixels and mirrored at random, black outside."""
    import torch

    n, _, H, W = images.shape
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4)
    first = torch.randint(0, 2 * SHIFT + 1, (2, n, 1), generator=generator)
    rows, columns = first[0] + torch.arange(H), first[1] + torch.arange(W)
    mirrored = torch.rand(n, generator=generator) < 0.5
    columns[mirrored] = columns[mirrored].flip(1)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--side", choices=("ours", "torch", "both"), default="both")
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    clean_environment()
    print(machine())
    recipe, data = load(options)
    print(f"{len(data.train):,} images to learn from, {len(data.test):,} of the test, {options.epochs:g} epochs")
    sides = {"ours": ours, "torch": theirs}
    for name, side in sides.items():
        if options.side in {name, "both"}:
            accuracy, seconds = side(recipe, data)
            print(f"{name}: {accuracy:.2%} in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
