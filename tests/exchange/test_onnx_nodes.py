"""Every case of one node that the package onnx generates for the operators that are read.

Each is worked out twice: by the definition (`onnx_fold`), in the types it has; and, of float32, as a network of
layers with the first axis as the batch. What has no form there is refused, never answered otherwise.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import OnnxFile, parse_onnx
from pellucid.exchange.onnx_fold import FOLDS, Call, fold
from pellucid.exchange.onnx_import import to_network
from pellucid.exchange.onnx_readers import READERS

onnx = pytest.importorskip("onnx")

KINDS = {1, 2, 3, 6, 7, 9, 10, 11, 16}  # float32, uint8, int8, int32, int64, bool, float16, float64, bfloat16
LEFT_OUT = {
    "of one dimension": {"test_averagepool_1d_default", "test_convtranspose_1d", "test_maxpool_1d_default"},
    "of opset 1": {"test_not_2d", "test_not_3d", "test_not_4d"},
}  # fmt: skip


@cache
def cases() -> dict[str, Any]:
    """Cases of one node of an operator that is read, of rank up to 4 and those types, by name."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    logging.disable(logging.NOTSET)
    return {case.name: case for case in found if "_expanded" not in case.name and _in_scope(case.model.graph)}


def _in_scope(graph: Any) -> bool:
    if len(graph.node) != 1 or graph.node[0].op_type not in {*FOLDS, *READERS}:
        return False
    kinds = [value.type for value in (*graph.input, *graph.output)]
    return all(
        kind.HasField("tensor_type") and kind.tensor_type.elem_type in KINDS and len(kind.tensor_type.shape.dim) <= 4
        for kind in kinds
    )


def as_arrays(values: Any) -> list[Any]:
    return [onnx.numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else np.asarray(v) for v in values]


def compare(got: Any, wanted: Any, case: Any) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    if wanted.dtype.kind in "iub":
        np.testing.assert_array_equal(got, wanted)
    else:
        wide = got.astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(*wide, rtol=case.rtol, atol=case.atol)


def by_definition(case: Any) -> None:
    file = parse_onnx(case.model.SerializeToString(), case.name)
    node = file.nodes[0]
    for inputs, outputs in case.data_sets:
        values = dict(zip([v.name for v in case.model.graph.input], as_arrays(inputs), strict=True))
        given = tuple(values[name] if name else None for name in node.inputs)
        call = Call(node.operator, given, node.attributes, file.opset, len(node.outputs))
        found = dict(zip(node.outputs, fold(call), strict=False))
        for value, wanted in zip(case.model.graph.output, as_arrays(outputs), strict=True):
            compare(found[value.name], wanted, case)


def as_network(case: Any) -> None:
    """With all inputs but the first as constants."""
    file = parse_onnx(case.model.SerializeToString(), case.name)
    for inputs, outputs in case.data_sets:
        x, *others = as_arrays(inputs)
        names = [value.name for value in case.model.graph.input]
        tensors = dict(zip(names[1:], others, strict=True))
        given = OnnxFile(case.name, file.opset, file.nodes, tensors, file.inputs[:1], file.outputs)
        network = to_network(given).network
        y = network.forward(x)
        for got, wanted in zip(y if isinstance(y, list) else [y], as_arrays(outputs), strict=True):
            compare(got, wanted, case)


def test_every_case_by_definition() -> None:
    left_out = set().union(*LEFT_OUT.values())
    failed = {}
    for name, case in cases().items():
        try:
            by_definition(case)
        except (PellucidError, AssertionError) as error:
            failed[name] = str(error)
    assert set(failed) == left_out, {name: text for name, text in failed.items() if name not in left_out}
    print(f"{len(cases())} cases, {len(cases()) - len(failed)} passed, {len(failed)} left out")
    assert len(cases()) - len(failed) >= 0.95 * len(cases())


def test_every_case_as_a_network() -> None:
    count: Counter[str] = Counter()
    refused, wrong = {}, {}
    for name, case in cases().items():
        graph = case.model.graph
        kinds = [value.type.tensor_type for value in (*graph.input[:1], *graph.output)]
        if not graph.input or len(kinds[0].shape.dim) < 2 or any(kind.elem_type != 1 for kind in kinds):
            continue
        try:
            as_network(case)
            count["passed"] += 1
        except PellucidError as error:
            refused[name] = str(error)
            assert "\n" not in str(error)
        except AssertionError as error:
            wrong[name] = str(error)[:200]
    print(f"{count['passed']} passed, {len(refused)} refused: {refused}")
    assert not wrong
    assert count["passed"] >= PASSED


PASSED = 200


def test_the_page_lists_the_operators() -> None:
    page = (Path(__file__).parents[2] / "docs/exchange.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.partition("| operator | layers |")[2].splitlines()[2:]]
    listed = dict(row for row in rows if len(row) == 2)
    assert set(listed) == {*FOLDS, *READERS}
    assert {name for name, layers in listed.items() if layers == "only of constants"} == {*FOLDS} - {*READERS}
