"""An LLM as a translator, through our engines: one request an item, all its texts in one JSON object, constrained.

A reply is a translation only when it is that object and was not cut off; a refusal, a truncation or an answer that
repeats the source is a rejection with the reply as evidence, never a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from synthgen.engines import Engine, Reply, Request, Sampling, open_engine
from synthgen.filters.residue import residue
from synthgen.formats.reply import text_object
from synthgen.packs import ResolvedModel
from synthgen.translation.base import Item, Outcome, Piece, Translation, Untranslated

PREFIX = "llm:"
TOKENS_A_CHARACTER = 1.0
"""Room for a reply: scripts that the vocabulary knows badly take about a token a character."""
PROMPT = (
    "Translate the JSON object from {source} to {target}. Keep its keys. Translate every value completely and use the "
    "same words for the same things in all of them. Answer with the JSON object only.\n\n{texts}\n\nTranslation:\n"
)


class LlmTranslator:
    """Translates items with a language model that an engine serves; any pair of languages is tried."""

    name = "llm"
    items_at_once = 256

    def __init__(self, model: ResolvedModel, engine: Engine | None = None, *, engine_name: str = "vllm") -> None:
        """Start an engine for the model, or use one that is started."""
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        self._engine = engine or open_engine(engine_name, model, seed=0)

    @property
    def versions(self) -> dict[str, str]:
        """What determines the replies."""
        return self._engine.versions

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """The prompt and how replies are sampled: greedily."""
        return {"prompt": PROMPT, "temperature": 0}

    def check(self, source: str, target: str) -> None:
        """Allow any two languages: what a model can do is measured, not listed."""

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item."""
        requests: Iterator[Request] = (_request(n, item, source, target) for n, item in enumerate(items))
        outcomes: list[Outcome] = [Untranslated("no reply", failed=True) for _ in items]
        for reply in self._engine.run(lambda: next(requests, None)):
            outcomes[reply.tag[0]] = read_reply(reply, items[reply.tag[0]])
        return outcomes

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()


def _request(number: int, item: Item, source: str, target: str) -> Request:
    texts = {f"text{i}": text for i, text in enumerate(item)}
    room = 64 + int(TOKENS_A_CHARACTER * sum(map(len, item)))
    schema = json.dumps(text_object(*texts), sort_keys=True)
    sampling = Sampling(max_tokens=room, temperature=0.0, top_k=-1, stop=(), schema=schema)
    shown = json.dumps(texts, ensure_ascii=False)
    return Request((number, 0), PROMPT.format(source=source, target=target, texts=shown), sampling)


def read_reply(reply: Reply, item: Item) -> Outcome:
    """Return the translation in a reply, or why there is none.

    >>> read_reply(Reply((0, 0), "ok", '{"text0": "Ol'), ("Hello",)).reason
    'truncated'
    """
    if reply.outcome != "ok":
        return Untranslated(reply.outcome, reply.error, failed=True)
    try:
        found = json.loads(reply.text)
    except json.JSONDecodeError:
        cut = reply.text.lstrip().startswith("{")
        return Untranslated("truncated" if cut else "not JSON", reply.text[:200])
    names = [f"text{i}" for i in range(len(item))]
    if not isinstance(found, dict) or set(found) != set(names):
        return Untranslated("other keys", reply.text[:200])
    texts = [found[name] for name in names]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return Untranslated("empty translation", reply.text[:200])
    if any(residue(new) and not residue(old) for old, new in zip(item, texts, strict=True)):
        return Untranslated("refusal", reply.text[:200])
    whole = zip(item, (text.strip() for text in texts), strict=True)
    return tuple(Translation(new, (Piece((0, len(old)), (0, len(new))),)) for old, new in whole)
