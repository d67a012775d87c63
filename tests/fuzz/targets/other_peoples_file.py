"""A file that `import` is given, of any kind and packing, as rows of a task of each format."""

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.corpora.catalogue import ENTRIES
from synthgen.corpora.corpus import open_corpus
from synthgen.corpora.readers.columns import RecordOptions
from synthgen.corpora.readers.record_rows import open_reader
from synthgen.corpora.row_stream import RowStream
from synthgen.errors import UserError

_PAIR = {"premise": "A cook left, early.", "hypothesis": "Tea é 茶 was\tcold.", "label": "neutral", "id": "7"}
_SPAN = {"id": "q", "context": "Ann went home.", "question": "Who?", "answers": {"text": ["Ann"], "answer_start": [0]}}
_COPA = {"premise": "It rained.", "choice1": "It was wet.", "choice2": "It was dry.", "question": "effect", "label": 0}
_TAGS = {"tokens": ["Ann", "left"], "ner_tags": ["B-PER", 0]}
_CSQA = {"id": "c", "answerKey": "A", "question": {"stem": "Where?", "choices": [{"label": "A", "text": "home"}] * 5}}
_SQUAD = {"data": [{"title": "T", "paragraphs": [{"context": "Ann went home.", "qas": [_SPAN]}]}]}
_LINES = "\n".join(json.dumps(row) for row in (_PAIR, _PAIR | {"label": 1.0}, _PAIR | {"premise": None}, _SPAN, _COPA))


def _arrow(rows: list[dict]) -> bytes:
    table, stream = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue().to_pybytes()


def _parquet(rows: list[dict]) -> bytes:
    pq.write_table(pa.Table.from_pylist(rows), stream := io.BytesIO())
    return stream.getvalue()


def _zip(data: bytes) -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.jsonl", data)
    return stream.getvalue()


SEEDS = [
    _LINES.encode(),
    *(json.dumps(each).encode() for each in ([_PAIR, _COPA], {"0": _PAIR, "1": _PAIR}, _SQUAD, [_TAGS, _CSQA], _CSQA)),
    b'premise,hypothesis,label\n"A, b ""c""\nd.",E f.,neutral\nG h.,I j.,1.0\n',
    b'gold_label\tsentence1\tsentence2\nneutral\tA "b" c.\tD e.\n\n-\tF\tG\t\n',
    b"context;question;answer\nAnn went home.;Who?;Ann\n",
    "premise\thypothesis\tlabel\nA b.\tC d.\tneutral\n".encode("utf-16"),
    b"Ann\tB-PER\nleft\tO\n\nTea\tO\n",
    _parquet([_PAIR, _PAIR]),
    _parquet([_SPAN]),
    _arrow([_PAIR, _PAIR]),
    *(pack(_LINES.encode()) for pack in (gzip.compress, bz2.compress, lzma.compress, _zip)),
    pa.compress(_LINES.encode(), "zstd", asbytes=True),
]
_UNRAISABLE: list[str] = []


def _raised(fault: object) -> None:
    """Keep what could only be printed."""
    _UNRAISABLE.append(str(fault))


_OPTIONS = RecordOptions(hypotheses=((("hypothesis", "label"), "neutral"),), where={"id": "7"})


def read(data: bytes, folder: Path) -> None:
    sys.unraisablehook = _raised
    path = folder / "train.any"
    path.write_bytes(data)
    faults = []
    for task in ("mnli", "squad_v2", "copa", "commonsenseqa", "panx"):
        try:
            for batch in RowStream(open_corpus(task, path)):
                batch.table.validate(full=True)
                assert all("\n" not in each.reason for each in batch.rejected)
        except UserError as error:
            faults.append(str(error))
    try:
        list(open_reader(path, ENTRIES["mnli"].format, _OPTIONS).batches())
    except UserError as error:
        faults.append(str(error))
    assert not [fault for fault in faults if "\n" in fault]
    assert not _UNRAISABLE, _UNRAISABLE.pop()
