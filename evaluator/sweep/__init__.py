"""Running an experiment: plan, runs, scores."""
