"""Statistics of a set: lengths, artefacts, similarity to real data, label noise."""
