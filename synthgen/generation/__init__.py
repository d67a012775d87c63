"""`synthgen make`: prompts, label quotas, the request loop, the finished folder."""
