"""What models wrap around their replies, and what they think before them: read alike by make, judge and translator."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from synthgen.dataset import read_manifest, read_rows
from synthgen.engines import Reply, Request, Sampling
from synthgen.engines.base import THINKING_TOKENS, messages
from synthgen.engines.dialect import Dialect, body, completion
from synthgen.engines.reply_text import json_object, split_reasoning
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import IncompleteError, UserError
from synthgen.filters.base import JudgeConfig
from synthgen.filters.labels.llm_judge import LLMJudge
from synthgen.formats.reply_schema import text_object
from synthgen.generation.make import make
from synthgen.generation.why import why
from synthgen.models.packs import ResolvedModel
from synthgen.publishing.verify import verify
from synthgen.task.task_file import parse_task
from synthgen.translation.backends.base import TranslationFailure
from synthgen.translation.backends.llm import read_reply
from tests.synthgen.conftest import NLI
from tests.synthgen.scripts import sentence
from tests.synthgen.test_task_files import GOOD

OBJECT = {"premise": "It rains."}
TEXT = json.dumps(OBJECT)
FENCE = "```"
SCHEMA = json.dumps(text_object("premise"))
REQUEST = Request((0, 0), "Write.", Sampling(20, 0.8, 5, (), SCHEMA))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"{FENCE}json\n{TEXT}\n{FENCE}",
        f"{FENCE}\n{TEXT}{FENCE}",
        f"Sure! Here it is:\n\n{FENCE}JSON\n{TEXT}\n{FENCE}\nDo you need {{more}}?",
        f"Here is the JSON: {TEXT} Do you need more?",
        f"\ufeff{TEXT}",
        f"{TEXT}\n{TEXT}",
        json.dumps(TEXT),
        json.dumps({"reply": OBJECT}),
        f"{FENCE}json\n{json.dumps({'reply': OBJECT})}\n{FENCE}",
    ],
)
def test_an_object_is_found_in_what_is_around_it(text: str) -> None:
    assert json_object(text) == OBJECT


@pytest.mark.parametrize(
    "text", ["", "null", "[1]", '{"premise": "It', "{" * 100_000, "no object", "{'premise': 1}", '"{"']
)
def test_what_holds_no_object_has_none(text: str) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize(
    ("text", "thought", "reply"),
    [
        ("<think>\nA cat.\n</think>\n\nIt rains.", "A cat.", "It rains."),
        ("A cat, or a dog.\n</think>\nIt rains.", "A cat, or a dog.", "It rains."),
        ("<think>\n\n</think>\n\nIt rains.", "", "It rains."),
        ("<think>A cat, and it never ends", "A cat, and it never ends", ""),
        ("[THINK]A cat.[/THINK]It rains.", "A cat.", "It rains."),
        ("It rains, she thinks.", "", "It rains, she thinks."),
    ],
)
def test_a_thought_is_parted_from_the_reply(text: str, thought: str, reply: str) -> None:
    assert split_reasoning(text) == (thought, reply)


def choice(message: dict[str, object], finish: str = "stop", **usage: object) -> Reply:
    return completion(
        REQUEST, json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage or None})
    )


@pytest.mark.parametrize(
    ("message", "text", "error", "reasoning"),
    [
        ({"content": TEXT}, TEXT, "", ""),
        ({"content": TEXT, "reasoning_content": "Hm."}, TEXT, "", "Hm."),
        ({"content": TEXT, "reasoning": "Hm."}, TEXT, "", "Hm."),
        ({"content": [{"type": "text", "text": TEXT[:5]}, {"type": "text", "text": TEXT[5:]}]}, TEXT, "", ""),
        ({"content": None, "reasoning_content": TEXT}, TEXT, "", ""),
        ({"content": None, "reasoning_content": f"Hm. {TEXT}"}, "", "empty reply", f"Hm. {TEXT}"),
        ({"content": None}, "", "empty reply", ""),
        ({"content": None, "tool_calls": [{"id": "1"}]}, "", "empty reply", ""),
        ({"content": None, "refusal": "I can't."}, "I can't.", "refusal", ""),
    ],
)
def test_a_message_is_read_as_it_comes(message: dict[str, object], text: str, error: str, reasoning: str) -> None:
    reply = choice(message)
    assert (reply.outcome, reply.text, reply.error, reply.reasoning) == ("ok", text, error, reasoning)


def test_a_thought_has_the_tokens_that_the_server_counts_or_its_share_of_them() -> None:
    details = {"completion_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 70}}
    assert choice({"content": TEXT}, **details).reasoning_tokens == 70
    assert choice({"content": TEXT, "reasoning": "x" * len(TEXT)}, completion_tokens=90).reasoning_tokens == 45
    assert choice({"content": TEXT}, completion_tokens="n/a").output_tokens == 0


@pytest.mark.parametrize(
    ("finish", "fault"),
    [
        ("length", "truncated"),
        ("model_length", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("content_filter", "content filter"),
        ("content_filter: PROHIBITED_CONTENT", "content filter"),
        ("SAFETY", "content filter"),
        ("sensitive", "content filter"),
    ],
)
def test_a_reply_that_did_not_end_by_itself_is_no_answer_anywhere(finish: str, fault: str, tmp_path: Path) -> None:
    reply = choice({"content": '{"text0": "Es regnet.", "label": "neutral"}'}, finish)
    assert reply.error == fault
    assert read_reply(reply, ("It rains.",)) == TranslationFailure(fault, reply.text)

    class Cut(ScriptedEngine):
        def run(self, next_request):  # type: ignore[no-untyped-def]
            for each in super().run(next_request):
                yield Reply(each.tag, "ok", '{"label": "neutral"}', fault)

    config = JudgeConfig(replies=tmp_path)
    judge = LLMJudge(NLI, config, ResolvedModel(Path(), "judge", "", ""), lambda: Cut(lambda _: ""), owned=True)
    with closing(judge):
        (said,) = judge.read([{"premise": "A dog.", "hypothesis": "A cat.", "label": 0}])
    assert said.unread == f'{fault}: {{"label": "neutral"}}'


def test_a_reply_that_the_server_gave_up_is_asked_again() -> None:
    for finish in ("insufficient_system_resource", "error", "abort", "network_error"):
        reply = choice({"content": '{"label": "neutral"}'}, finish)
        assert (reply.outcome, reply.text, reply.error) == ("http", "", f"the server ended the reply with '{finish}'")


def test_a_filtered_reply_may_have_no_message_at_all() -> None:
    def ended(finish: str) -> Reply:
        return completion(REQUEST, json.dumps({"choices": [{"index": 0, "finish_reason": finish}]}))

    assert (ended("content_filter: SAFETY").outcome, ended("content_filter: SAFETY").error) == ("ok", "content filter")
    assert ended("stop").outcome == "http"


def test_a_json_object_has_room_beside_its_texts_and_a_thought_before_it() -> None:
    sampling = Sampling(20, 0.8, 5, (), SCHEMA)
    assert sampling.limit >= 20 + len('{"premise": ""}')
    assert Sampling(20, 0.8, 5, ("\n",)).limit == 20
    assert Sampling(20, 0.8, 5, (), SCHEMA, thinking=True).limit == sampling.limit + THINKING_TOKENS


@pytest.mark.parametrize("thinking", [False, True])
def test_the_server_is_told_whether_to_think(thinking: bool) -> None:
    sampling = Sampling(20, 0.8, 5, (), SCHEMA, thinking)
    _, sent = body("tiny", Request((0, 0), "Write.", sampling), Dialect())
    assert json.loads(sent)["chat_template_kwargs"] == {"enable_thinking": thinking}


def test_the_system_prompt_of_a_prompt_file_is_a_message_of_its_own_or_stands_before_the_prompt() -> None:
    task = parse_task("a", GOOD.replace('stem = "premise"', 'stem = "premise"\nsystem = "You write."'), where="a.md")
    request = Request((0, 0), "Write.", REQUEST.sampling, system=task.system)
    system, user = messages(request)
    assert (system["content"], user["content"]) == ("You write.", "Write.")
    refusal = json.dumps({"error": {"message": "Unsupported value: 'messages[0].role' does not support 'system'"}})
    dialect, _ = Dialect().after(request, 400, refusal) or (None, "")
    assert dialect is not None
    (message,) = json.loads(body("tiny", request, dialect)[1])["messages"]
    assert message == {"role": "user", "content": "You write.\n\nWrite."}
    assert request.key("m", "") != Request((0, 0), "Write.", REQUEST.sampling).key("m", "")


def thinking_aloud(request: Request) -> str:
    names = json.loads(request.sampling.schema or "")["required"]
    return f"<think>Her secret plan: {request.nonce}.</think>" + json.dumps(dict.fromkeys(names, sentence(request)))


def test_what_a_model_thinks_is_counted_and_kept_in_the_ledger_and_in_no_row(tmp_path: Path, tiny_model: str) -> None:
    out = tmp_path / "out"
    engine, name = ScriptedEngine(thinking_aloud), "scripted"
    manifest = make("mnli", n=12, model=tiny_model, engine=name, out=out, started_engine=engine, thinking="on")
    assert not any("plan" in str(row) for row in read_rows(out))
    assert manifest.tokens["reasoning"] > 12
    assert manifest.sampling["decoding"] == "json, thinking"
    assert verify(out).faults == ()
    story = why(out, next(iter(read_rows(out)))["id"])
    assert story["replies"][0]["reasoning"].startswith("Her secret plan")


def test_a_ledger_without_a_place_for_thoughts_is_read(tmp_path: Path, tiny_model: str) -> None:
    out = tmp_path / "out"
    again: Callable[[], object] = lambda: make(  # noqa: E731
        "mnli", n=6, model=tiny_model, engine="scripted", out=out, started_engine=ScriptedEngine(thinking_aloud)
    )
    again()
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        ledger.execute("DROP TABLE reasoning")
        ledger.commit()
    assert why(out, next(iter(read_rows(out)))["id"])["verdict"] == "kept"
    again()
    assert read_manifest(out).kept == 6


def test_replies_that_are_all_thought_end_the_run_with_the_thought(tmp_path: Path, tiny_model: str) -> None:
    engine = ScriptedEngine(lambda _: "<think>I wonder and wonder")
    with pytest.raises(IncompleteError, match="none of 100 replies .* empty reply .*'I wonder and wonder'"):
        make("mnli", n=60, model=tiny_model, engine="scripted", out=tmp_path / "out", started_engine=engine)


@pytest.mark.parametrize(("thinking", "decoding"), [("maybe", "json"), ("on", "plain")])
def test_a_choice_of_thinking_that_is_none_is_refused(thinking: str, decoding: str, tiny_model: str) -> None:
    with pytest.raises(UserError, match="--thinking"):
        make("mnli", n=6, model=tiny_model, engine="scripted", decoding=decoding, thinking=thinking)
