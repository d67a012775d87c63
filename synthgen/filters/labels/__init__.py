"""Label checks by a trained checkpoint or an LLM judge."""
