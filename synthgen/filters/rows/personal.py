"""Personal data: addresses, numbers and keys that belong to somebody, found by pattern and confirmed by checksum.

E-mail addresses, phone numbers, IBANs (ISO 13616: mod 97 = 1), payment cards (ISO/IEC 7812: Luhn), IP addresses
(RFC 791, RFC 4291), and the keys of well-known services, whose prefixes their makers document. Addresses that are
reserved for documentation (RFC 2606, RFC 5737, 555-01xx numbers) belong to nobody and are kept.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthgen.filters.base import Drop, FilterSpec, RowFilter
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text.toml_text import read_toml

_DOCUMENTATION = re.compile(r"@(?:[\w-]+\.)*example(?:\.(?:com|org|net))?$|\.(?:test|invalid|example)$")
_DOCUMENTATION_NETS = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)


def _is_email(text: str) -> bool:
    return not _DOCUMENTATION.search(text.casefold())


def _is_phone(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 8 <= len(digits) <= 15 and "55501" not in digits[-7:-2]


def is_iban(text: str) -> bool:
    """Say whether the check digits of an IBAN are right (ISO 13616).

    >>> is_iban("GB29 NWBK 6016 1331 9268 19"), is_iban("GB28 NWBK 6016 1331 9268 19")
    (True, False)
    """
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def is_card(text: str) -> bool:
    """Say whether a number of 13-19 digits is a payment card's by Luhn's formula.

    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(digit) for digit in text if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    reserved = address.is_loopback or address.is_unspecified or address.is_multicast
    return not reserved and not any(address in net for net in _DOCUMENTATION_NETS if net.version == address.version)


_CONFIRMS: dict[str, Callable[[str], bool]] = {
    "key": lambda _: True,
    "email": _is_email,
    "iban": is_iban,
    "card": is_card,
    "ip": _is_address,
    "ip6": lambda text: text.count(":") > 2 and _is_address(text),
    "phone": _is_phone,
}
_PATTERNS: dict[str, list[str]] = read_toml(Path(__file__).with_name("personal.toml"))
KINDS = {kind: (re.compile("".join(_PATTERNS[kind])), confirms) for kind, confirms in _CONFIRMS.items()}
"""What is looked for, in order: the pattern, and what confirms it."""
_SIGNS = {"email": "@", "ip6": ":[0-9A-Fa-f]{0,4}:", "phone": r"\d\d", "key": "[-_.IS]"}
_NEEDS = {kind: re.compile(_SIGNS.get(kind, r"\d")) for kind in KINDS}
"""What each kind has somewhere: most texts have none."""


class PersonalData(RowFilter):
    """Drops rows that hold personal data, counted by kind. The evidence shows the kind, not the value."""

    name = "personal"
    VERSION = 1

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop naming the first kind of personal data and the text it stands in."""
        for path, text in row_texts(self._format, row).items():
            if datum := personal_data(text):
                self.counts[datum[0]] += 1
                return Drop("personal data", f"{path}: {datum[0]}")
        return None

    def metadata(self) -> dict[str, Any]:
        """Return the kinds that were looked for, and how many rows have each."""
        return {"looked_for": list(KINDS), "found": dict(sorted(self.counts.items()))}


SPEC = FilterSpec(PersonalData, runs="named", check="personal_data", place=50)


def personal_data(text: str) -> tuple[str, str] | None:
    """Return the kind and the value of the first personal datum of a text.

    >>> personal_data("Write to ann.lee@posteo.de today"), personal_data("Call 1999 people in 2004")
    (('email', 'ann.lee@posteo.de'), None)
    """
    for kind, (pattern, confirms) in KINDS.items():
        if not _NEEDS[kind].search(text):
            continue
        for match in pattern.finditer(text):
            if confirms(match[0]):
                return kind, match[0]
    return None
