"""`synthgen make`: prompts, quotas, the request loop, the finished folder."""
