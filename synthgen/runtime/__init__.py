"""The machine a run is on: processes, a Ray cluster, files, the hub, provenance."""
