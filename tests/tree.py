"""The README's tree: one line per file, taken from the files themselves. `python -m tests.tree` writes it."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- tree:begin -->", "<!-- tree:end -->"
_FOLDERS = ("prompts", "synthgen", "evaluator", "benchmarks")


def tree() -> str:
    """Return the tree as a fenced block."""
    lines = [line for folder in _FOLDERS for line in _lines(CHECKOUT / folder)]
    width = max(len(name) for name, _ in lines)
    return "\n".join(["```", *(f"{name:<{width}}  {text}".rstrip() for name, text in lines), "```"])


def _lines(folder: Path) -> list[tuple[str, str]]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py" and path.name != "__init__.py":
            found.append((str(path.relative_to(CHECKOUT)), _summary(path)))
        elif path.name == "__init__.py":
            found.append((f"{path.parent.relative_to(CHECKOUT)}/", _summary(path)))
        elif path.suffix == ".md" and folder.name == "prompts":
            found.append((str(path.relative_to(CHECKOUT)), _title(path)))
    return sorted(found)


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).removesuffix(".")


def _title(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2].strip(' "') for line in lines if line.startswith("title"))


def with_tree(readme: str) -> str:
    """Return the README with its tree made anew."""
    head, _, rest = readme.partition(BEGIN)
    return f"{head}{BEGIN}\n{tree()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = CHECKOUT / "README.md"
    readme.write_text(with_tree(readme.read_text(encoding="utf-8")), encoding="utf-8")
