"""Duplicate search: exact, near (MinHash) and semantic.

Near-duplicate search is our own only as long as it beats the library: `benchmarks/filters_speed.py` times it against
rensa on the same rows. Where rensa wins, it should take the place of `minhash`, `candidate_pairs` and `hash_index`.
"""
