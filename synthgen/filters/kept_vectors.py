"""Vectors kept in the user cache, so that texts which many runs are compared with are read by the encoder once.

They are kept in blocks, each whole or not at all: a run that was killed goes on with the block it was at.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthgen.dataset import write_atomically
from synthgen.filters import meaning
from synthgen.filters.meaning import SentenceEncoder, Vectors
from synthgen.packs import LOCAL, cache_root
from synthgen.provenance import source_hash

BLOCK = 4096
"""Texts that are kept together: about a minute of a small encoder on two cores."""


def kept_vectors(encoder: SentenceEncoder, texts: Sequence[str]) -> Iterator[Vectors]:
    """Yield the vectors of texts (up to 4,096, width) in order, from the cache where this encoder has read them before.

    Half as many bits are kept as computed; what is yielded is the same the first time. Of a model folder that does not
    say what is in it nothing is kept, nor where the cache cannot be written to.
    """
    for at in range(0, len(texts), BLOCK):
        yield _block(encoder, texts[at : at + BLOCK]).astype(np.float32)


def _block(encoder: SentenceEncoder, texts: Sequence[str]) -> npt.NDArray[np.float16]:
    version = source_hash([Path(meaning.__file__)], settings=json.dumps([encoder.facts, texts]))
    path = cache_root() / "vectors" / f"{version[:32]}.npy"
    with suppress(OSError, EOFError, ValueError):
        return np.asarray(np.load(path, allow_pickle=False))
    vectors = encoder.embed(texts).astype(np.float16)
    if encoder.facts["revision"] != LOCAL:
        with suppress(OSError):
            _keep(path, vectors)
    return vectors


def _keep(path: Path, vectors: npt.NDArray[np.float16]) -> None:
    packed = io.BytesIO()
    np.save(packed, vectors, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, packed.getvalue())
