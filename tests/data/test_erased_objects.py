"""What a blanked rectangle hides is nothing that a network has to find there."""

import numpy as np

from pellucid.data import Augmentation, Boxes, Dataset, Loader
from pellucid.data.boxes import DIFFICULT, PLAIN

N, SIDE = 200, 16
WHITE = np.full((N, 1, SIDE, SIDE), 255, np.uint8)


def test_boxes_that_are_mostly_hidden_need_not_be_found() -> None:
    box = np.array([[4, 4, 8, 8], [0, 0, 16, 16]], np.float32)
    one = box, np.array([0, 1]), np.array([PLAIN, PLAIN])
    boxes = Boxes.gathered([one] * N, np.full((N, 2), SIDE), (SIDE, SIDE))
    dataset = Dataset(WHITE, boxes, ("small", "large"), "white")
    batch = next(Loader(dataset, N, augment=Augmentation(erase=8)).epoch(0))
    hidden = (batch.inputs[:, 0, 4:8, 4:8] == 0).sum((1, 2))
    kinds = batch.targets.kinds.reshape(N, 2)
    assert (hidden > 8).any() and ((hidden > 0) & (hidden <= 8)).any()
    np.testing.assert_array_equal(kinds[:, 0] == DIFFICULT, hidden > 8)
    assert (kinds[:, 1] == PLAIN).all()  # at most a quarter of it
    np.testing.assert_array_equal(batch.targets.boxes.reshape(N, 2, 4), np.tile(box, (N, 1, 1)))


def test_a_masks_hidden_pixels_count_nowhere() -> None:
    masks = np.ones((N, SIDE, SIDE), np.uint8)
    dataset = Dataset(WHITE, masks, ("ground", "thing"), "white")
    batch = next(Loader(dataset, N, augment=Augmentation(erase=8), ignored=7).epoch(0))
    gone = batch.inputs[:, 0] == 0
    assert gone.any() and (masks == 1).all()
    np.testing.assert_array_equal(batch.targets, np.where(gone, 7, 1))
