"""Translation backends, one file each."""
