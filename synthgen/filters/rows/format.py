"""Well-formed rows: nothing missing, and what the format's own check asks for. Later filters rely on it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.filters.base import Drop, FilterSpec, RowFilter
from synthgen.formats.base import Row
from synthgen.formats.pair import PairFormat
from synthgen.formats.texts import absent

_MOST_CHARACTERS = 3
"""To so many a character becomes when case is folded (Unicode's full case folding)."""


class WellFormed(RowFilter):
    """Drops rows with a missing value and rows that break their format."""

    name = "format"
    VERSION = 1

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return the first fault of the row."""
        for column in self._format.columns:
            if lacking := absent(row.get(column), column):
                return Drop("format", f"no {lacking}")
        fault = self._format.check(row)
        return Drop("format", fault) if fault else None

    def passes_fast(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which rows are pairs of texts with letters, told apart by length alone, and have a label in range."""
        if not isinstance(self._format, PairFormat) or any(table[name].null_count for name in self._format.columns):
            return super().passes_fast(table)
        labels = table["label"].to_numpy()
        clear = (labels >= 0) & (labels < len(self._format.labels))
        sizes = []
        for field in self._format.fields:
            clear &= pc.match_substring_regex(table[field], r"[\pL\pN]").to_numpy()
            sizes.append(pc.utf8_length(table[field]).to_numpy())
        plain = np.logical_and.reduce([pc.string_is_ascii(table[field]).to_numpy() for field in self._format.fields])
        times = np.where(plain, 1, _MOST_CHARACTERS)
        differ = np.maximum(*sizes) > times * np.minimum(*sizes)
        return np.asarray(clear & differ)


SPEC = FilterSpec(WellFormed, runs="always", place=10)
