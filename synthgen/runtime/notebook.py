"""Results as a pandas DataFrame and as a table in a notebook."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthgen.errors import requires
from synthgen.text.escape import html_text


def data_frame(rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - pandas may be missing
    """Return rows of the same keys as a DataFrame; UserError without pandas."""
    with requires("pandas", "hub", "to_pandas()"):
        import pandas
    return pandas.DataFrame(list(rows))


def html_table(title: str, rows: Sequence[Mapping[str, Any]], note: str = "") -> str:
    """Return rows of the same keys as an HTML table; nothing of them is taken as markup."""
    lines = [_line("th", rows[0]) if rows else "", *(_line("td", row.values()) for row in rows)]
    return f"<p>{html_text(title)}</p><table>{''.join(lines)}</table><p>{html_text(note)}</p>"


def _line(cell: str, values: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{cell}>{html_text(_shown(value))}</{cell}>' for value in values)}</tr>"


def _shown(value: object) -> object:
    """Return a value as a cell shows it: an integer with its thousands, nothing for None."""
    if value is None:
        return ""
    return f"{value:,}" if type(value) is int else value
