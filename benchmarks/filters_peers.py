"""One peer on one parquet file, for `filters_speed.py`: prints seconds as JSON, saves which rows it keeps.

    PYTHON benchmarks/filters_peers.py NAME FILE.parquet KEPT.npy

A row is one text to all of them: premise and hypothesis. Those that sketch have 128 permutations in 16 bands of 8: a
recall of 0.95 at a similarity of 0.8. rensa and datasketch get words and bigrams, text-dedup and datatrove, which take
n-grams of one length, bigrams.

`rensa` is sketch and index alone, a sketch and a query a row, its shingles made before the clock starts; `rensa_matrix`
the same without an object a row. `semhash` compares vectors by cosine (0.9, as it comes); its model is made, before the
clock starts, of the bundled encoder's input embeddings as model2vec makes one: 256 principal components, each token
weighted by its rank (Zipf). `text_dedup` is its own command, dataset in and out; `datatrove` its four steps with files
between, words told apart by white space.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from model2vec import StaticModel

BANDS, ROWS_PER_BAND = 16, 8
Times = tuple[float, float]
Numbers = Sequence[int]
"""The rows that are kept."""


def clock() -> Times:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system, time.perf_counter()


def since(began: Times) -> Times:
    cpu, wall = clock()
    return cpu - began[0], wall - began[1]


def texts_of(file: Path) -> list[str]:
    table = pq.read_table(file, columns=["premise", "hypothesis"]).to_pydict()
    return [f"{one} {two}" for one, two in zip(table["premise"], table["hypothesis"], strict=True)]


def shingles(text: str) -> list[str]:
    words = text.casefold().split()
    return words + [f"{one} {two}" for one, two in pairwise(words)]


def rensa(file: Path) -> tuple[Times, Numbers]:
    from rensa import RMinHash, RMinHashLSH

    sets, index, kept = [shingles(text) for text in texts_of(file)], RMinHashLSH(0.7, 128, BANDS), []
    began = clock()
    for number, tokens in enumerate(sets):
        sketch = RMinHash(128, 42)
        sketch.update(tokens)
        if not index.query(sketch):
            kept.append(number)
        index.insert(number, sketch)
    return since(began), kept


def rensa_matrix(file: Path) -> tuple[Times, Numbers]:
    from rensa import RMinHash, RMinHashLSH

    sets = [shingles(text) for text in texts_of(file)]
    began = clock()
    matrix = RMinHash.digest_matrix_from_token_sets(sets, 128, 42)
    flags = RMinHashLSH(0.7, 128, BANDS).query_duplicate_flags_matrix_one_shot(matrix)
    return since(began), [number for number, is_duplicate in enumerate(flags) if not is_duplicate]


def datasketch(file: Path) -> tuple[Times, Numbers]:
    from datasketch import MinHash, MinHashLSH

    began = clock()
    index, kept = MinHashLSH(params=(BANDS, ROWS_PER_BAND), num_perm=128), []
    for number, text in enumerate(texts_of(file)):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([token.encode() for token in shingles(text)])
        if not index.query(sketch):
            kept.append(number)
            index.insert(number, sketch, check_duplication=False)
    return since(began), kept


def semhash(file: Path) -> tuple[Times, Numbers]:
    from semhash import SemHash

    model = static_model()
    began = clock()
    records = [{"number": str(number), "text": text} for number, text in enumerate(texts_of(file))]
    kept = SemHash.from_records(records, columns=["text"], model=model).self_deduplicate().selected
    return since(began), [int(record["number"]) for record in kept]


def static_model() -> StaticModel:
    import model2vec
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    cache = Path(os.environ.get("SYNTHGEN_CACHE", Path.home() / ".cache" / "synthgen"))
    (pack,) = {path.parent for path in cache.glob("packs/multilingual-e5-small-*/**/model.safetensors")}
    tensors = load_file(pack / "model.safetensors")
    vectors = next(each for name, each in tensors.items() if name.endswith("word_embeddings.weight")).astype(np.float32)
    tokenizer = Tokenizer.from_file(str(pack / "tokenizer.json"))
    vectors = vectors[: tokenizer.get_vocab_size()]
    vectors = vectors - vectors.mean(axis=0)
    components = np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1][:, :256]
    share = 1 / (np.arange(len(vectors)) + 2)
    weights = 1e-4 / (1e-4 + share / share.sum())
    return model2vec.StaticModel(
        (vectors @ components) * weights[:, None].astype(np.float32), tokenizer, normalize=True
    )


def text_dedup(file: Path) -> tuple[Times, Numbers]:
    from datasets import Dataset, load_from_disk
    from text_dedup.minhash import main

    with tempfile.TemporaryDirectory() as place:
        texts = texts_of(file)
        Dataset.from_dict({"text": texts, "number": range(len(texts))}).save_to_disk(f"{place}/in")
        began = clock()
        given = f"--path {place}/in --local --output {place}/out --column text --num_proc 1 --ngram 2 --min_length 1"
        given += f" --num_perm 128 --b {BANDS} --r {ROWS_PER_BAND} --hash_func xxh3 --hash_bits 32"
        main.main(given.split(), standalone_mode=False)
        times = since(began)
        return times, load_from_disk(f"{place}/out")["number"]


def datatrove(file: Path) -> tuple[Times, Numbers]:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup import MinhashDedupSignature as Signature
    from datatrove.pipeline.dedup.minhash import HashConfig, MinhashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Words(WordTokenizer):  # type: ignore[misc]  # untyped where datatrove is not installed
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    settings = MinhashConfig(2, BANDS, ROWS_PER_BAND, hash_config=HashConfig(precision=32))

    def documents() -> Iterator[Document]:
        for number, text in enumerate(texts_of(file)):
            yield Document(text=text, id=str(number))

    with tempfile.TemporaryDirectory() as place:
        began = clock()
        Signature(f"{place}/signatures", settings, Words()).run(documents())
        buckets = MinhashDedupBuckets(
            f"{place}/signatures", f"{place}/buckets", config=settings, lines_to_buffer=10_000
        )
        for bucket in range(BANDS):
            buckets.run(None, bucket, BANDS)
        MinhashDedupCluster(f"{place}/buckets", f"{place}/remove", settings, lines_to_buffer=10_000).run()
        stays = MinhashDedupFilter(f"{place}/remove", lines_to_buffer=10_000).run(documents())
        kept = [int(document.id) for document in stays]
        return since(began), kept


PEERS = {each.__name__: each for each in (rensa, rensa_matrix, datasketch, semhash, text_dedup, datatrove)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("source", type=Path, help="parquet file with premise and hypothesis")
    parser.add_argument("saved", type=Path, help="file of which rows are kept, as numpy saves it")
    given = parser.parse_args()
    (seconds, wall), kept = PEERS[given.name](given.source)
    mask = np.zeros(pq.read_metadata(given.source).num_rows, dtype=np.bool_)
    mask[list(kept)] = True
    np.save(given.saved, mask)
    print(json.dumps({"seconds": seconds, "wall": wall, "kept": int(mask.sum())}))


if __name__ == "__main__":
    main()
