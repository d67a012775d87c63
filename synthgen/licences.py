"""Import path kept for users: see `synthgen.dataset.licences`."""

from synthgen.dataset.licences import *  # noqa: F403
from synthgen.dataset.licences import LicensedSource as Part  # noqa: F401
