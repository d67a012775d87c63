"""Mewsli-X: link a mention in one of 11 languages to its entity in a pool of a million descriptions."""

from __future__ import annotations

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
        gold = read_json(path)
        return Split(language, tuple(gold), ("",) * len(gold), tuple(tuple(ids) for ids in gold.values()), (path,))
    pool = root.find(entities)
    passages = [
        (row["context"], mention)
        for row in read_json_lines(path)
        for mention in (row["mentions"] if "mentions" in row else [row["mention"]])
    ]
    descriptions = list(read_json_lines(pool))
    return Split(
        language,
        tuple(mention["example_id"] for _, mention in passages),
        tuple(mention_text(context, mention) for context, mention in passages),
        tuple((mention["entity_id"],) for _, mention in passages),
        (path, pool),
        tuple(entity_text(entity) for entity in descriptions),
        tuple(entity["entity_id"] for entity in descriptions),
    )


def train(root: DataRoot) -> Split:
    """Return English Wikipedia's mentions with the description of their entity."""
    path = root.find(TARGET.train_sources[0])
    mentions = [(row["contextual_mention"], row["entity"]) for row in read_json_lines(path)]
    pairs = [(mention["context"], mention["mention"], entity) for mention, entity in mentions]
    records = tuple((mention_text(context, mention), entity_text(entity)) for context, mention, entity in pairs)
    ids = tuple(mention["example_id"] for _, mention, _ in pairs)
    return Split("en", ids, records, tuple((mention["entity_id"],) for _, mention, _ in pairs), (path,))


def mention_text(context: Mapping[str, Any], mention: Mapping[str, Any]) -> str:
    """Return "mention: left { mention } right" within its sentence (XT utils_mewslix.py, preprocess_mention)."""
    span = mention["mention_span"]
    sentence = _sentence(context, span)
    left = _BRACES.sub(r"(\1)", context["text"][sentence[0] : span["start"]])
    right = _BRACES.sub(r"(\1)", context["text"][span["end"] : sentence[1]])
    text = f"{span['text']}: {left} {{ {span['text']} }} {right}"
    return _one_line(text)


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
