"""Prompts compressed as what they add to the prompt file, of which a set's prompts repeat most."""

import zlib

WINDOW = 32_768
"""What DEFLATE looks back."""
MEMORY_LEVEL = 5
"""A small hash table: a prompt is short, and clearing a larger one takes longer than compressing it."""


class PromptPacker:
    """Compresses the prompts of one prompt file; processes that did not open the ledger can do it too."""

    def __init__(self, prompt_text: str = "") -> None:
        """Compress against `prompt_text`, the prompt file."""
        self._known = prompt_text.encode()[-WINDOW:]

    def pack(self, prompt: str) -> bytes:
        """Return the prompt compressed; nothing for an empty one."""
        if not prompt:
            return b""
        packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, MEMORY_LEVEL, zdict=self._known)
        return packer.compress(prompt.encode("utf-8", "surrogatepass")) + packer.flush()

    def unpack(self, packed: bytes) -> str:
        """Return what was compressed; ValueError for bytes that `pack` did not return."""
        if not packed:
            return ""
        try:
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._known)
            return unpacker.decompress(packed).decode("utf-8", "surrogatepass")
        except (zlib.error, TypeError) as error:
            raise ValueError(str(error)) from None
