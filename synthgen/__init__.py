"""synthgen: task-formatted synthetic training data, matched in size to the real sets."""
