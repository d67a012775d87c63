"""The one reader of HTTP replies: bounded in bytes and in memory, text without the key, or one line that says why."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack, suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

LARGEST_REPLY = 4_000_000
"""Bytes of a reply, unpacked; a completion is a few thousand."""
USUAL_REPLY = 32_000
"""A larger one waits for room."""
LARGE_REPLIES = 4
"""So many larger ones are read at a time, however many requests are in flight."""
_CHARSETS = re.compile("iso-?8859|windows-|cp12|latin|gb|big5|shift_jis|euc-|koi8", re.IGNORECASE)
"""Those that are met; decoders of others may take long."""
READ_BUFFER = 16_384
"""Bytes that aiohttp reads ahead of one reply."""


class BodyFault(Exception):
    """A reply that is not read to its end; the message is one line."""


async def read_body(response: aiohttp.ClientResponse, key: str, room: asyncio.Semaphore) -> str:
    """Return the body of a reply as text, the key in it masked.

    JSON says itself which Unicode encoding it has, whatever a `charset` says; where bytes are in none that is believed,
    else they become U+FFFD. `room` is that of all replies of a session, `asyncio.Semaphore(LARGE_REPLIES)`. Raises
    BodyFault for a body that is too large or cannot be unpacked; the caller limits the time.
    """
    content = bytearray()
    async with AsyncExitStack() as large:
        try:
            async for chunk in response.content.iter_any():
                if len(content) <= USUAL_REPLY < len(content) + len(chunk):
                    await large.enter_async_context(room)
                content += chunk
                if len(content) > LARGEST_REPLY:
                    raise BodyFault(f"the reply is larger than {LARGEST_REPLY:,} bytes")
        except (ValueError, LookupError, AssertionError) as error:  # what aiohttp's unpackers raise beside its own
            raise BodyFault(f"the reply cannot be read: {type(error).__name__}") from None
        finally:
            if not response.content.at_eof():
                response.close()
        return without_key(_decoded(bytes(content), response.charset), key)


def _decoded(content: bytes, charset: str | None) -> str:
    """Return the text of a body: UTF-8, or UTF-16 and 32 by their zeros or byte order mark, or in its charset."""
    unicode = json.detect_encoding(content[:4])
    unicode = "utf-8-sig" if unicode == "utf-8" else unicode
    other = charset if charset and _CHARSETS.match(charset) else unicode
    for encoding in (unicode, other):
        with suppress(UnicodeError, LookupError):
            return content.decode(encoding)
    return content.decode(unicode, "replace")


def without_key(text: str, key: str) -> str:
    r"""Return a text with the key masked, also where JSON has escaped its characters, once or more.

    >>> without_key('{"said": "\\u0073k-1 and \\\\u0073k-1"}', "sk-1")
    '{"said": "*** and ***"}'
    """
    return _spellings(key).sub("***", text) if key and (key in text or "\\" in text) else text


@cache
def _spellings(key: str) -> re.Pattern[str]:
    """Return the pattern of a key whose characters JSON may have escaped."""
    return re.compile("".join(rf"(?:\\{{0,4}}{re.escape(char)}|\\{{1,4}}u(?i:{ord(char):04x}))" for char in key))
