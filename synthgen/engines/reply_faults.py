"""What is wrong with the replies of a model that cannot be used, counted to end work that comes to nothing."""

from collections import Counter
from dataclasses import dataclass, field

from synthgen.errors import excerpt

MIN_REPLIES = 100
"""As many replies of which none can be used end the work."""
MIN_ENDED, LEAST_SHARE = 500, 0.02
"""As many of which a smaller share can be used end it too."""


@dataclass(slots=True)
class ReplyFaults:
    """Counts the replies of this process that can be used, and the faults of the others with the last as an example.

    >>> faults = ReplyFaults()
    >>> for _ in range(100): faults.add("not JSON", "Sure! I can.")
    >>> faults.waste
    "none of 100 replies can be used; most frequent fault: not JSON (100), the last: 'Sure! I can.'"
    """

    usable: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def add(self, fault: str = "", text: str = "") -> None:
        """Count a reply: what is wrong with it, empty for nothing, and what it says."""
        if not fault:
            self.usable += 1
            return
        self.faults[fault] += 1
        self.example = text

    @property
    def waste(self) -> str:
        """Why going on would be a waste; empty for no reason."""
        bad = self.faults.total()
        ended = bad + self.usable
        if bad < MIN_REPLIES or (self.usable and (ended < MIN_ENDED or self.usable >= LEAST_SHARE * ended)):
            return ""
        few = f"only {self.usable}" if self.usable else "none"
        (fault, count), *_ = self.faults.most_common(1)
        return f"{few} of {ended} replies can be used; most frequent fault: {fault} ({count}), the last: {self.quoted}"

    @property
    def quoted(self) -> str:
        """The last reply that cannot be used, in one line."""
        return f"'{excerpt(self.example)}'"
