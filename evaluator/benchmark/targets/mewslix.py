"""Mewsli-X: link a mention in one of 11 languages to its entity in a pool of a million descriptions."""

import re
from collections.abc import Mapping
from typing import Any

from evaluator.benchmark.files.predictions import rankings_by_id
from evaluator.benchmark.metrics.retrieval import nearest_ids, score_ranking
from evaluator.benchmark.target import DataRoot, Split, Target, facts
from synthgen.corpora.readers.text import read_json, read_json_lines
from synthgen.errors import UserError

_BRACES = re.compile(r"\{(.*?)\}")


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the mentions of a language with their entity, the pool being the entity descriptions.

    A root that only has gold files {mention id: [entity id]}, as XTREME's submissions are scored with and its mock data
    are, can be scored, not predicted: it has no texts.
    """
    mentions, entities = TARGET.split_sources(split)
    path = root.find(mentions, language)
    if path.suffix == ".json":
        return Split.of(language, ((item, "", tuple(ids)) for item, ids in read_json(path).items()), path)
    pool = root.find(entities)
    items = (
        (mention["example_id"], mention_text(row["context"], mention), (mention["entity_id"],))
        for row in read_json_lines(path)
        for mention in (row["mentions"] if "mentions" in row else [row["mention"]])
    )
    candidates = ((entity["entity_id"], entity_text(entity)) for entity in read_json_lines(pool))
    return Split.of(language, items, path, pool, pool=candidates)


def train(root: DataRoot) -> Split:
    """Return English Wikipedia's mentions with the description of their entity."""
    path = root.find(TARGET.train_sources[0])
    items = []
    for row in read_json_lines(path):
        context, mention = row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        record = mention_text(context, mention), entity_text(row["entity"])
        items.append((mention["example_id"], record, (mention["entity_id"],)))
    return Split.of("en", items, path)


def mention_text(context: Mapping[str, Any], mention: Mapping[str, Any]) -> str:
    """Return "mention: left { mention } right" within its sentence (XT utils_mewslix.py, preprocess_mention)."""
    span = mention["mention_span"]
    sentence = _sentence(context, span)
    left = _BRACES.sub(r"(\1)", context["text"][sentence[0] : span["start"]])
    right = _BRACES.sub(r"(\1)", context["text"][span["end"] : sentence[1]])
    return _one_line(f"{span['text']}: {left} {{ {span['text']} }} {right}")


def _sentence(context: Mapping[str, Any], span: Mapping[str, Any]) -> tuple[int, int]:
    for sentence in context["sentence_spans"]:
        if sentence["start"] <= span["start"] and span["end"] <= sentence["end"]:
            return sentence["start"], sentence["end"]
    raise UserError(f"mention '{span['text']}' at {span['start']} lies in no sentence of {context.get('document_url')}")


def entity_text(entity: Mapping[str, Any]) -> str:
    """Return an entity's description as one line of its sentences (XT utils_mewslix, preprocess_entity_description)."""
    text = entity["description"]
    return _one_line(" ".join(text[span["start"] : span["end"]] for span in entity["sentence_spans"]))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("  ", " ").strip()


TARGET = Target(
    **facts(__file__),
    read=read,
    train=train,
    score=score_ranking,
    parse=rankings_by_id,
    rank=nearest_ids,
)
