"""What a run needs from its machine: processes, a Ray cluster, files, the hub, provenance."""
