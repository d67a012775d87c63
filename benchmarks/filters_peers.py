"""One peer on one parquet file, for `filters_duplicates.py`: prints seconds, rows kept, peak memory as JSON.

    PYTHON benchmarks/filters_peers.py rensa|rensa_matrix|datasketch|semhash FILE.parquet

The raw libraries get words and bigrams of the whole row; 128 permutations in 16 bands of 8, which has a recall of 0.95
at a similarity of 0.8. `rensa` is sketch and index alone, shingles made before the clock starts.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import pairwise

import pyarrow.parquet as pq

Times = tuple[float, float]


def clock() -> Times:
    return time.process_time(), time.perf_counter()


def since(began: Times) -> Times:
    cpu, wall = clock()
    return cpu - began[0], wall - began[1]


def shingles(text: str) -> list[str]:
    words = text.casefold().split()
    return words + [f"{one} {two}" for one, two in pairwise(words)]


def rensa(texts: list[str]) -> tuple[Times, int]:
    """One sketch and one query and insertion a row."""
    from rensa import RMinHash, RMinHashLSH

    sets, index, kept = [shingles(text) for text in texts], RMinHashLSH(0.7, 128, 16), 0
    began = clock()
    for number, tokens in enumerate(sets):
        sketch = RMinHash(128, 42)
        sketch.update(tokens)
        if not index.query(sketch):
            kept += 1
        index.insert(number, sketch)
    return since(began), kept


def rensa_matrix(texts: list[str]) -> tuple[Times, int]:
    """The matrix interface: no object a row."""
    from rensa import RMinHash, RMinHashLSH

    sets = [shingles(text) for text in texts]
    began = clock()
    matrix = RMinHash.digest_matrix_from_token_sets(sets, 128, 42)
    flags = RMinHashLSH(0.7, 128, 16).query_duplicate_flags_matrix_one_shot(matrix)
    return since(began), len(flags) - sum(flags)


def datasketch(texts: list[str]) -> tuple[Times, int]:
    from datasketch import MinHash, MinHashLSH

    began, index, kept = clock(), MinHashLSH(params=(16, 8), num_perm=128), 0
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([token.encode() for token in shingles(text)])
        if not index.query(sketch):
            kept += 1
            index.insert(number, sketch, check_duplication=False)
    return since(began), kept


def semhash(texts: list[str]) -> tuple[Times, int]:
    from semhash import SemHash

    began = clock()
    kept = SemHash.from_records(records=texts).self_deduplicate().selected
    return since(began), len(kept)


if __name__ == "__main__":
    table = pq.read_table(sys.argv[2], columns=["premise", "hypothesis"]).to_pydict()
    texts = [f"{one} {two}" for one, two in zip(table["premise"], table["hypothesis"], strict=True)]
    (seconds, wall), kept = {
        "rensa": rensa,
        "rensa_matrix": rensa_matrix,
        "datasketch": datasketch,
        "semhash": semhash,
    }[sys.argv[1]](texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"seconds": seconds, "wall": wall, "kept": kept, "peak_gib": round(peak, 2)}))
