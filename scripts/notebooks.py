"""Write the notebooks of examples/ from their scripts, which the tests run: python scripts/notebooks.py FOLDER."""

import json
import re
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def notebook(script: str) -> dict[str, Any]:
    """Return the notebook of a script with `# %%` cells."""
    parts = re.split(r"^# %%", script, flags=re.MULTILINE)[1:]
    cells = [{"id": f"cell-{number}", **_cell(part)} for number, part in enumerate(parts)]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _cell(part: str) -> dict[str, Any]:
    head, _, body = part.partition("\n")
    if "[markdown]" in head:
        text = re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        return {"cell_type": "markdown", "metadata": {}, "source": text}
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": body.strip()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(EXAMPLES.glob("*.py")):
        if "\n# %%" in f"\n{path.read_text(encoding='utf-8')}":
            text = json.dumps(notebook(path.read_text(encoding="utf-8")), indent=1, ensure_ascii=False)
            (folder / f"{path.stem}.ipynb").write_text(text + "\n", encoding="utf-8")
