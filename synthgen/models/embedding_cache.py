"""Sentence embeddings in the user cache, so that texts which many runs compare with are encoded once.

They are stored in blocks, each whole or not at all: a run that was killed goes on with the block it was at.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from synthgen.console import note
from synthgen.models import sentence_encoder
from synthgen.models.packs import LOCAL
from synthgen.models.sentence_encoder import SentenceEncoder, Vectors
from synthgen.runtime.cache import cache_root
from synthgen.runtime.files import write_atomically
from synthgen.runtime.provenance import version_hash

Halves = npt.NDArray[np.float16]

VERSION = 1
"""Raise it when vectors are kept in another way; `sentence_encoder.VERSION` says when an encoder gives others."""
_DIGEST = hashlib.sha256().digest_size
BLOCK = 4096
"""Texts that are kept together: about a minute of a small encoder on two cores."""


def kept_vectors(encoder: SentenceEncoder, texts: Sequence[str]) -> Iterator[Vectors]:
    """Yield the vectors of texts (up to 4,096, width) in order, from the cache where this encoder has read them before.

    Half as many bits are kept as computed; what is yielded is the same the first time. Of a model folder that does not
    say what is in it nothing is kept, nor where the cache cannot be written to.
    """
    for at in range(0, len(texts), BLOCK):
        yield _block(encoder, texts[at : at + BLOCK]).astype(np.float32)


def _block(encoder: SentenceEncoder, texts: Sequence[str]) -> Halves:
    key = version_hash({"version": [VERSION, sentence_encoder.VERSION], "encoder": encoder.facts, "texts": texts})
    path = cache_root() / "vectors" / f"{key[:32]}.float16"
    packed = b""
    with suppress(OSError):
        packed = path.read_bytes()
    digest, content = packed[:_DIGEST], packed[_DIGEST:]
    if hashlib.sha256(content).digest() == digest:
        return np.frombuffer(content, np.float16).reshape(len(texts), -1)
    if packed:
        note(f"{path} is damaged: its texts are encoded again")
    vectors = encoder.embed(texts).astype(np.float16)
    if encoder.facts["revision"] != LOCAL:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            content = vectors.tobytes()
            write_atomically(path, hashlib.sha256(content).digest() + content)
    return vectors
