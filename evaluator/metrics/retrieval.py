"""Nearest neighbours by cosine, exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

QUERIES_AT_ONCE = 1024


def nearest(queries: Vectors, pool: Vectors, k: int) -> npt.NDArray[np.int64]:
    """Return the pool indices of the k most similar vectors, best first, (queries, k); ties go to the lower index.

    Vectors have unit length, so the inner product is the cosine (faiss IndexFlatIP in XT utils_retrieve.py, knnCPU).
    """
    found = [
        np.argsort(-(queries[first : first + QUERIES_AT_ONCE] @ pool.T), axis=1, kind="stable")[:, :k]
        for first in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    return np.concatenate(found) if found else np.zeros((0, k), dtype=np.int64)
