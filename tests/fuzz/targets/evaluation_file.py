"""A file of evaluation data, by each of its endings."""

from pathlib import Path

from synthgen.errors import UserError
from synthgen.filters.decontamination.evaluation_sets import read_evaluation_sets

SUFFIXES = (".tsv", ".txt", ".json", ".jsonl", ".csv", ".conllu")
SEEDS = [
    b'[{"premise": "A sentence of words.", "hypothesis": "One more sentence."}]',
    b'{"data": [{"paragraphs": [{"context": "A passage of words.", "qas": [{"id": "a", "question": "What is it?"}]}]}]}',
    b'{"text": "A sentence of words here."}\n{"text": "Another sentence of words."}',
    b"A sentence of words\tOne more sentence\tentailment\n",
    b'text,label\n"A sentence, of words",a\n',
    b"1\tThe\tthe\tDET\t_\t_\t0\troot\t_\t_\n2\tdog\tdog\tNOUN\t_\t_\t1\tx\t_\t_\n\n",
]


def read(data: bytes, folder: Path) -> None:
    faults = []
    for suffix in SUFFIXES:
        path = folder / f"test{suffix}"
        path.write_bytes(data)
        try:
            read_evaluation_sets(path)
        except UserError as error:
            faults.append(str(error))
    assert not [fault for fault in faults if "\n" in fault]
