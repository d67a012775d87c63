"""An LLM as a translator, through our engines: one request an item, all its texts in one JSON object, constrained.

A reply is a translation only when it is that object and was not cut off; a refusal, a truncation or an answer that
repeats the source is a rejection with the reply as evidence, never a row. An item too long for one request is asked for
text by text, in runs of whole sentences.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from synthgen.dataset.ledger import Ledger, storable
from synthgen.engines import Engine, Reply, Request, Sampling
from synthgen.engines.asker import Asker
from synthgen.engines.base import FIRST_DELAY
from synthgen.engines.batch import MOST_REQUESTS
from synthgen.engines.budget import Budget
from synthgen.engines.config import EngineConfig, RequestOptions, StartEngine
from synthgen.engines.reply_text import json_object
from synthgen.filters.rows.residue import residue
from synthgen.formats.reply_schema import text_object
from synthgen.models.packs import ResolvedModel
from synthgen.text.languages import language_name
from synthgen.text.sentences import Span, packed
from synthgen.translation.backends.base import BackendSpec, ComputeConfig, Item, Outcome, TranslationFailure, whole
from synthgen.translation.backends.documents import assemble

PREFIX = "llm:"
MOST_CHARACTERS = 800
"""Characters of one request: with the prompt, and a reply of a token a character, it fits into 2,048 tokens."""
LEAST_TOKENS, TOKENS_A_CHARACTER = 64, 1.0
"""Room for a reply: scripts that the vocabulary knows badly take about a token a character."""
EVIDENCE = 200
_TEXT = re.compile(r"text\d+")
PROMPT = (
    "Translate the JSON object from {source} to {target}. Keep its keys. Translate every value completely and use the "
    "same words for the same things in all of them. Answer with the JSON object only.\n\n{texts}\n\nTranslation:\n"
)


class LlmTranslator:
    """Translates items with a language model that an engine serves; any pair of languages is tried."""

    name = "llm"

    def __init__(
        self,
        model: ResolvedModel,
        start: StartEngine,
        *,
        first_delay: float = FIRST_DELAY,
        options: RequestOptions | None = None,
    ) -> None:
        """Ask `model` through the engine that `start` gives, which is started by the first item.

        What the engine fails at is asked again after `first_delay` seconds or more. `options` are those of the engine:
        by batches, all items there are go together.
        """
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        options = options or RequestOptions()
        self.settings: dict[str, Any] = {
            "prompt": PROMPT,
            "temperature": 0,
            "most_characters": MOST_CHARACTERS,
            **options.reply_settings(),
        }
        self.items_at_once = MOST_REQUESTS if options.batch else 256
        money = options.money
        self.budget = Budget(prices=money.prices(model.ref, batch=options.batch), max_cost=money.max_cost)
        self._asker = Asker(model, start, Ledger(Path(":memory:")), budget=self.budget, first_delay=first_delay)
        self._thinking = options.thinking

    @property
    def versions(self) -> dict[str, str]:
        """What determines the replies."""
        return self._asker.engine(_request(0, ("A text.",), "en", "de")).versions

    @property
    def ledger(self) -> Ledger:
        """The ledger that keeps replies which are no rows yet, and the jobs of batches."""
        return self._asker.ledger

    def check(self, source: str, target: str) -> None:
        """Allow any two languages: what a model can do is measured, not listed."""

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item."""
        cuts = [_cuts(item) for item in items]
        parts = [part for item, spans in zip(items, cuts, strict=True) for part in _parts(item, spans)]
        outcomes = iter(self._ask(parts, source, target))
        return [_joined(item, spans, outcomes) for item, spans in zip(items, cuts, strict=True)]

    def use(self, ledger: Ledger) -> None:
        """Keep in a run's ledger the replies that are no rows of it yet; what it has cost counts."""
        tokens = ledger.token_totals()
        self.budget.add_tokens(tokens["prompt"], tokens["output"], ledger.outcomes().total())
        self._asker.use(ledger)

    def spent(self) -> tuple[int, int]:
        """Return the prompt and output tokens of the replies since the last call, which need not be kept any more."""
        self._asker.forget()
        return self._asker.spent()

    def close(self) -> None:
        """Stop the engine, if it was started."""
        self._asker.close()

    def _ask(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        requests = [_request(number, each, source, target, self._thinking) for number, each in enumerate(items)]

        def fault(reply: Reply, request: Request) -> str:
            """Return why a reply is no translation; empty for one."""
            outcome = read_reply(reply, items[request.tag[0]])
            return outcome.reason if isinstance(outcome, TranslationFailure) else ""

        replies = self._asker.ask(requests, fault, f"{self.ref} does not translate")
        return list(map(read_reply, replies, items))


def _cuts(item: Item) -> list[list[Span]]:
    """Return where each text of an item is cut, nothing for one that goes whole."""
    is_whole = sum(map(len, item)) <= MOST_CHARACTERS
    return [] if is_whole else [packed(text, len, MOST_CHARACTERS) for text in item]


def _parts(item: Item, cuts: list[list[Span]]) -> list[Item]:
    if not cuts:
        return [item]
    return [(text[slice(*span)],) for text, spans in zip(item, cuts, strict=True) for span in spans]


def _joined(item: Item, cuts: list[list[Span]], outcomes: Iterator[Outcome]) -> Outcome:
    """Return an item's outcome; of one that was cut, its texts put together, or its first failure."""
    if not cuts:
        return next(outcomes)
    parts = [[next(outcomes) for _ in spans] for spans in cuts]
    for each in chain.from_iterable(parts):
        if isinstance(each, TranslationFailure):
            return each
    texts = [[each[0].text for each in of_text if isinstance(each, tuple)] for of_text in parts]
    return tuple(map(assemble, item, cuts, texts))


def _request(number: int, item: Item, source: str, target: str, thinking: bool = False) -> Request:
    texts = {f"text{i}": text for i, text in enumerate(item)}
    room = LEAST_TOKENS + int(TOKENS_A_CHARACTER * sum(map(len, item)))
    schema = json.dumps(text_object(*texts), sort_keys=True)
    sampling = Sampling(max_tokens=room, temperature=0.0, top_k=-1, stop=(), schema=schema, thinking=thinking)
    names = {"source": language_name(source), "target": language_name(target)}
    return Request((number, 0), PROMPT.format(**names, texts=json.dumps(texts, ensure_ascii=False)), sampling)


def read_reply(reply: Reply, item: Item) -> Outcome:
    """Return the translation in a reply, or why there is none.

    >>> read_reply(Reply((0, 0), "ok", '{"text0": "Ol'), ("Hello",)).reason
    'truncated'
    """
    if reply.outcome != "ok":
        return TranslationFailure(reply.outcome, reply.error, failed=True)
    evidence = storable((reply.text or reply.reasoning)[:EVIDENCE])
    if reply.error or (values := json_object(reply.text)) is None:
        return TranslationFailure(reply.error or _fault(reply.text), evidence)
    names = [f"text{i}" for i in range(len(item))]
    if {name for name in values if name in names or _TEXT.fullmatch(name)} != set(names):  # notes beside them are none
        return TranslationFailure("other keys", evidence)
    texts = [values[name] for name in names]
    if fault := _texts_fault(item, texts):
        return TranslationFailure(fault, evidence)
    return tuple(whole(old, new.strip()) for old, new in zip(item, texts, strict=True))


def _texts_fault(item: Item, texts: Sequence[Any]) -> str:
    """Return what is wrong with the translated texts of an item; empty for nothing."""
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return "empty translation"
    broken = "\N{REPLACEMENT CHARACTER}"
    if any(broken in new and broken not in old for old, new in zip(item, texts, strict=True)):
        return "unreadable characters"
    matches = (residue(new) for old, new in zip(item, texts, strict=True) if not residue(old))
    return next((match[0] for match in matches if match), "")


def _fault(text: str) -> str:
    """Return what is wrong with a reply that is no JSON."""
    if match := residue(text):
        return match[0]
    begun, ended = text.lstrip().startswith("{"), text.rstrip().endswith("}")
    return "truncated" if begun and not ended else "not JSON"


def _open(ref: str, compute: ComputeConfig) -> LlmTranslator:
    """Return the translator that asks a model of vLLM's, or the one behind `http://HOST/v1[#NAME]`."""
    compute.refuse(f"an engine serves --mt {PREFIX}{ref}", "device", "threads", "compute")
    engine = EngineConfig.of(ref, compute.options)

    def start() -> Engine:
        """Return the engine; its batches are kept with the translations."""
        return engine.start(0, translator.ledger)

    translator = LlmTranslator(engine.model, start, options=compute.options)
    return translator


BACKEND = BackendSpec(PREFIX, _open)
