"""Outside of graph/ nobody asks which container a layer is: every pass is a loop over nodes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pellucid
from pellucid.graph import Container

ROOT = Path(pellucid.__file__).parent
CONTAINERS = {
    "Container",
    "Sequential",
    "Branches",
    "Residual",
    "Sum",
    "ConcatBranches",
    "Graph",
    "Upsampled",
    "Rewritten",
}
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] != "graph"]


def names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }


def questions(tree: ast.AST) -> Iterator[ast.AST]:
    """What is asked of a layer's class: isinstance and issubclass, comparisons with type(...), cases of a match."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"isinstance", "issubclass"}
        ):
            yield node.args[1]
        elif isinstance(node, ast.Compare) and "type" in names(node.left):
            yield node
        elif isinstance(node, ast.MatchClass):
            yield node.cls


def test_the_list_of_containers_is_whole() -> None:
    def below(kind: type) -> set[str]:
        children: list[type] = kind.__subclasses__()
        return {kind.__name__}.union(*map(below, children))

    own = {
        kind
        for kind in below(Container)
        if any(f"class {kind}(" in path.read_text() for path in (ROOT / "graph").glob("*.py"))
    }
    assert own == CONTAINERS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pass_asks_for_a_container(path: Path) -> None:
    for question in questions(ast.parse(path.read_text())):
        assert not names(question) & CONTAINERS, f"{path.name}:{question.lineno}"  # type: ignore[attr-defined]


def test_containers_only_unroll() -> None:
    """None of them has a forward or backward of its own."""
    for kind in (Container, *Container.__subclasses__()):
        assert "forward" not in vars(kind)
        assert "backward" not in vars(kind)
