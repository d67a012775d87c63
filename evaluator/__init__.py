"""evaluator: what intermediate-task data does to zero-shot cross-lingual transfer on XTREME-R."""
