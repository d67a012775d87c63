"""Statistics: estimands, bootstrap, pairwise comparisons, scaling curves."""
