"""Real data and other people's files, read as rows of a task."""
