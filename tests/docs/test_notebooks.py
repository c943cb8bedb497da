"""The notebooks run from their first cell to their last, and show tables, curves, pictures and the page."""

import html
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
SOURCE = Path(__file__).parents[2] / "src"


def ran(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("IPYTHONDIR", str(folder))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: Any, form: str) -> str:
    """What a cell shows in a form, such as text/html."""
    found = [output.data[form] for output in cell.outputs if form in output.get("data", {})]
    assert found, f"nothing of {form} below:\n{cell.source}"
    return str(found[-1])


@pytest.mark.filterwarnings("ignore")
def test_a_first_network_is_a_table_a_curve_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, net, fit, run, measured, predictions, page = ran("first-network", tmp_path, monkeypatch)
    assert shown(net, "text/html").count("<tr>") == 1 + 7
    assert shown(fit, "image/png").startswith("iVBOR")
    assert sum("epoch" in output.get("text", "") for output in fit.outputs) <= 3  # a line an epoch, not a flood
    assert shown(run, "image/png").startswith("iVBOR")
    assert eval(shown(measured, "text/plain"))["accuracy"] > 0.85
    assert shown(predictions, "text/html").count("data:image/png") == 12
    inside = html.unescape(shown(page, "text/html"))
    assert "Content-Security-Policy" in inside


@pytest.mark.filterwarnings("ignore")
def test_an_own_layer_learns_and_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, check, fit, filters, step, predictions = ran("inside-a-layer", tmp_path, monkeypatch)
    assert eval(shown(check, "text/plain"))["input"] < 1e-6
    assert eval(shown(fit, "text/plain"))["accuracy"] > 0.9
    assert shown(filters, "image/png").startswith("iVBOR")
    assert shown(step, "text/plain").startswith("(")
    assert shown(predictions, "text/html").count("data:image/png") == 6
