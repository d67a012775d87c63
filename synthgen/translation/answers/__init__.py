"""Answer projection: where an answer is in a translated text."""
