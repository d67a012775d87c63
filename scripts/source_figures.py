"""Size and names of the source: `python scripts/source_figures.py` prints lines, long functions, undocumented names.

A function counts from `def` to its last line, docstring included. Public names are modules, classes, functions and
methods without a leading underscore, those inside functions left out. Names that hold a participle where a noun says
what they are (`found`, `told`, `made` …) are listed with their lines.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTICIPLES = re.compile(r"(^|_)(found|told|made|opened|asked|judg\w+)(_|$)")
LONGEST_FUNCTION = 40
Function = ast.FunctionDef | ast.AsyncFunctionDef


def definitions(node: ast.AST, *, inside: bool = False) -> Iterator[tuple[Function | ast.ClassDef, bool]]:
    """Yield every class and function below a node, and whether it is inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            yield child, inside
        yield from definitions(child, inside=inside or isinstance(child, Function))


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names that a module gives to classes, functions, parameters and variables."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def main() -> None:
    """Print the figures."""
    lines, longest, long, undocumented, participles = 0, (0, ""), [], [], []
    for path in sorted([*(ROOT / "synthgen").rglob("*.py"), *(ROOT / "evaluator").rglob("*.py")]):
        place, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
        tree, length = ast.parse(text), text.count("\n")
        lines, longest = lines + length, max(longest, (length, str(place)))
        undocumented += [] if ast.get_docstring(tree) else [str(place)]
        for node, inside in definitions(tree):
            if not inside and not node.name.startswith("_") and not ast.get_docstring(node):
                undocumented.append(f"{place}:{node.lineno} {node.name}")
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if isinstance(node, Function) and size > LONGEST_FUNCTION:
                long.append(f"{place}:{node.lineno} {node.name} {size}")
        participles += [f"{place}:{line} {name}" for name, line in names(tree) if PARTICIPLES.search(name)]
    print(f"source lines {lines:,}; longest module {longest[1]}, {longest[0]}")
    for title, rows in (
        (f"functions over {LONGEST_FUNCTION} lines", long),
        ("public names without a docstring", undocumented),
        ("participles as names", participles),
    ):
        print(f"{title}: {len(rows)}", *rows, sep="\n  ")


if __name__ == "__main__":
    main()
