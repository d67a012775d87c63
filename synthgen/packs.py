"""Import path kept for users: see `synthgen.models.packs`."""

from synthgen.models.packs import LOCAL, PACKS, PREFIX, Pack, ResolvedModel, Wheel, find_pack, pull, resolve
from synthgen.runtime.cache import cache_root

__all__ = ["LOCAL", "PACKS", "PREFIX", "Pack", "ResolvedModel", "Wheel", "cache_root", "find_pack", "pull", "resolve"]
