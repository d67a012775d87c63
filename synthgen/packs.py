"""Import path kept for users: see `synthgen.models.packs`."""

from synthgen.models.packs import Pack, ResolvedModel, Wheel, cache_root, find_pack, pull, resolve

__all__ = ["Pack", "ResolvedModel", "Wheel", "cache_root", "find_pack", "pull", "resolve"]
