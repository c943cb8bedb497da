"""What skips bring, and what a classifier trained before brings: FCNs on DeepConvNet at one and the same budget.

    python -m benchmarks.segmentation_study FOLDER [--scenes 8000] [--epochs 1] [--seed 0]

Trains DeepConvNet on single digits for an epoch, fcn32, fcn16 and fcn8 from scratch, and fcn8 started from that
classifier; each in FOLDER/NAME. A run that is finished there isn't repeated, one that was broken off goes on.
Pictures: python -m benchmarks.segmentation_pictures OUT.png FOLDER/fcn32 FOLDER/fcn16 FOLDER/fcn8
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, resume_run, start_run

Changes = Mapping[str, Any]


def finished(folder: Path, recipe: str, changes: Changes) -> dict[str, Any]:
    """The last record of a run, which is trained if it isn't."""
    if folder.exists():
        try:
            trainer, _ = resume_run(folder)
        except PellucidError:  # nothing left to do
            return last_record(folder)
    else:
        trainer, _ = start_run(load_recipe(recipe, changes), folder)
    if not trainer.fit():
        raise SystemExit(f"{folder}: broken off; call again to go on")
    return last_record(folder)


def last_record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "history.jsonl").read_text().splitlines()[-1])
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=8000)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    digits = given.folder / "digits"
    accuracy = finished(digits, "deep-convnet", {"training.epochs": 1, "training.seed": given.seed})["test"][
        "accuracy"
    ]
    print(f"{'deep-convnet on digits':28} accuracy {100 * accuracy:6.2f} %")
    budget = {
        "data.scenes.train": given.scenes,
        "training.epochs": given.epochs,
        "training.seed": given.seed,
    }
    for name, start in (("fcn32", None), ("fcn16", None), ("fcn8", None), ("fcn8", digits)):
        changes = {"network.name": name, **budget, **({"training.start_from": str(start)} if start else {})}
        folder = given.folder / (f"{name}-fine-tuned" if start else name)
        record = finished(folder, "fcn-scenes", changes)
        print(f"{folder.name:28} mean IoU {100 * record['test']['mean_iou']:6.2f} %  in {record['seconds']:.0f} s")


if __name__ == "__main__":
    main()
