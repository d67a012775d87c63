"""Import path kept for users: see `synthgen.models.packs`."""

from synthgen.models.packs import LOCAL, PACKS, PREFIX, Pack, ResolvedModel, Wheel, cache_root, find_pack, pull, resolve

__all__ = ["LOCAL", "PACKS", "PREFIX", "Pack", "ResolvedModel", "Wheel", "cache_root", "find_pack", "pull", "resolve"]
