"""An engine as judge: what it is asked, what is kept of it, and that nobody is asked twice."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from itertools import count, groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest, read_rejected, read_rows
from synthgen.dataset.ledger import Ledger
from synthgen.engines import Engine, Request, Sampling
from synthgen.engines.scripted import ScriptedEngine
from synthgen.engines.vllm import VllmEngine
from synthgen.errors import IncompleteError, UserError
from synthgen.filters.base import JudgeConfig
from synthgen.filters.command import filter as run_filters
from synthgen.filters.labels.llm_judge import LLMJudge, open_judge
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.generation.make import make
from synthgen.models.packs import ResolvedModel
from synthgen.publishing.verify import verify
from synthgen.task.registry import definitions
from tests.mock_endpoint import Faults, serving
from tests.synthgen.conftest import NLI
from tests.synthgen.scripts import sentence

SQUAD = SpanFormat(("answerable", "unanswerable"))
MODEL = ResolvedModel(Path(), "judge", "1", "mit")
PAIR = {"premise": "A dog sleeps.", "hypothesis": "An animal rests.", "label": 0}


def judge_of(format_, engine: Engine, folder: Path, **options) -> LLMJudge:
    return LLMJudge(format_, JudgeConfig(replies=folder, **options), MODEL, lambda: engine, owned=True)


def test_the_judge_sees_texts_and_labels_with_their_meaning_and_never_which_is_the_rows(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> str:
        asked.append(request)
        return '{"label": "neutral"}'

    judge = judge_of(NLI, ScriptedEngine(answer), tmp_path, definitions=definitions("mnli"))
    rows = [PAIR | {"label": label} for label in range(3)]
    assert [said.text for said in judge.read(rows) if said] == ["neutral"] * 3
    (request,) = asked  # equal but for their labels, three rows are one question
    for shown in ("A dog sleeps.", "An animal rests.", "- neutral: possibly true"):
        assert shown in request.prompt
    schema = json.loads(request.sampling.schema or "")
    assert schema["properties"]["label"]["enum"] == list(NLI.labels)
    assert request.sampling.temperature == 0


def test_options_are_letters_and_the_place_of_the_right_one_is_not_told(tmp_path: Path) -> None:
    cosmos = ChoiceFormat(("context", "question", "answer0", "answer1", "label"), ("0", "1"))
    row = {"context": "It rained.", "question": "Why?", "answer0": "clouds", "answer1": "sun", "label": 0}
    asked: list[str] = []
    engine = ScriptedEngine(lambda request: asked.append(request.prompt) or '{"label": "B"}')
    judge = judge_of(cosmos, engine, tmp_path, definitions={"right": "what the story implies"})
    assert [said and said.text for said in judge.read([row, row | {"label": 1}])] == ["1", "1"]
    assert len(asked) == 1
    assert "A: clouds\n\nB: sun" in asked[0]
    assert "what the story implies" in asked[0]


def test_a_question_is_answered_without_its_answer_and_may_have_none(tmp_path: Path) -> None:
    answers = {"text": ["Bergen"], "answer_start": [7]}
    row = {"id": "", "title": "", "context": "We saw Bergen.", "question": "What did we see?", "answers": answers}
    requests: list[Request] = []
    engine = ScriptedEngine(lambda request: requests.append(request) or '{"answer": " "}')
    (said,) = judge_of(SQUAD, engine, tmp_path / "a").read([row])
    assert said is not None
    assert said.text == ""
    assert "the answer is empty" in requests[0].prompt
    always = judge_of(SpanFormat(("answerable",)), engine, tmp_path / "b")
    always.read([row])
    assert "the answer is empty" not in requests[1].prompt
    assert json.loads(requests[1].sampling.schema or "")["properties"]["answer"]["minLength"] == 1


def test_no_question_is_asked_twice_and_nonsense_is_nothing_said(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda request: "no JSON" if "cat" in request.prompt else '{"label": "entailment"}')
    rows = [PAIR, PAIR | {"premise": "A cat sleeps."}]
    judge = judge_of(NLI, engine, tmp_path)
    said = judge.read(rows)
    assert [each.unread for each in said] == ["", "not JSON: no JSON"]
    judge.close()
    again = judge_of(NLI, engine, tmp_path)
    assert again.read(rows) == said
    assert again.metadata()["tokens"] == judge.metadata()["tokens"]
    assert again.read(rows) == said
    assert engine.requests == 3  # what could not be read is asked anew, once a run


def test_a_reply_that_cannot_be_read_is_not_kept_when_the_server_is_mended(tmp_path: Path) -> None:
    broken, mended = (ScriptedEngine(lambda _, text=text: text) for text in ("```no", '{"label": "neutral"}'))
    for engine, labels in ((broken, [""]), (mended, ["neutral"]), (broken, ["neutral"])):
        judge = judge_of(NLI, engine, tmp_path)
        assert [said.text for said in judge.read([PAIR])] == labels
        judge.close()


def test_a_judge_of_whose_first_replies_none_can_be_read_is_asked_no_more(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda _: "It is neutral, I think.")
    judge = judge_of(NLI, engine, tmp_path)
    rows = [PAIR | {"hypothesis": f"An animal rests {number} times."} for number in range(400)]
    with pytest.raises(IncompleteError, match="none of 100 replies .*: not JSON .100., the last: 'It is neutral, I th"):
        judge.read(rows)
    assert engine.requests <= 100 + 64


def test_when_no_row_was_judged_one_reply_is_shown(tmp_path: Path) -> None:
    import_task("mnli", source="sample", out=tmp_path / "in")
    (tmp_path / "judge.jsonl").write_text('{"text": "It is neutral."}')
    with pytest.raises(UserError, match="passes the filters: not judged .60., such as .*not JSON: It is neutral"):
        run_filters(tmp_path / "in", out=tmp_path / "out", judge=str(tmp_path / "judge.jsonl"))


def test_a_reply_of_no_use_in_an_older_cache_is_replaced(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda _: '{"label": "neutral"}')
    with closing(Ledger(tmp_path / "run.sqlite")) as ledger:
        judge = LLMJudge(NLI, JudgeConfig(replies=ledger), MODEL, lambda: engine, owned=True)
        ledger.add_judge_reply(judge._request(0, PAIR).key(MODEL.ref, MODEL.revision), "```no", 1, 1)
        assert [said and said.text for said in judge.read([PAIR])] == ["neutral"]


def test_two_servers_that_name_their_models_alike_do_not_share_answers(tmp_path: Path) -> None:
    for url, label in (("http://a/v1", "neutral"), ("http://b/v1", "entailment"), ("http://a/v1", "neutral")):
        engine = ScriptedEngine(lambda _, label=label: json.dumps({"label": label}))
        model = replace(MODEL, url=url)
        judge = LLMJudge(NLI, JudgeConfig(replies=tmp_path), model, lambda engine=engine: engine, owned=True)
        assert [said and said.text for said in judge.read([PAIR])] == [label]
        judge.close()
    assert engine.requests == 0


def test_a_server_that_fails_now_and_then_is_asked_again_and_one_that_is_gone_ends_the_work(tmp_path: Path) -> None:
    replies = iter([RuntimeError("down"), '{"label": "entailment"}'])
    judge = judge_of(NLI, ScriptedEngine(lambda _: next(replies)), tmp_path / "a")
    assert judge.read([PAIR])[0] is not None
    gone = judge_of(NLI, ScriptedEngine(lambda _: RuntimeError("gone")), tmp_path / "b")
    with pytest.raises(IncompleteError, match="1 requests without an answer, the last with: gone"):
        gone.read([PAIR])


def test_what_cannot_be_judged_is_said_before_anything_starts() -> None:
    with pytest.raises(UserError, match="names no model"):
        open_judge(NLI, JudgeConfig())
    with pytest.raises(UserError, match="rows of a tags set cannot be judged"):
        open_judge(TagsFormat(("tokens", "tags"), ("X",)), JudgeConfig("replies.jsonl"))


def test_filter_keeps_what_the_judge_agrees_with_and_the_same_when_filtered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    import_task("mnli", source="sample", out=tmp_path / "in")
    script = tmp_path / "judge.jsonl"
    script.write_text('{"text": "{\\"label\\": \\"neutral\\"}"}')
    made = run_filters(tmp_path / "in", out=tmp_path / "a", judge=str(script))
    found = made.checks["verification"]["judge"]
    assert made.label_counts == {"neutral": 20}
    assert made.rejected == {"disputed label": 40}
    assert (found["rows"], found["agreement"], found["name"]) == (60, 0.3333, "judge.jsonl")
    assert found["confusion"]["entailment"] == {"entailment": 0, "neutral": 20, "contradiction": 0}
    disputed = next(iter(read_rejected(tmp_path / "a")))
    assert (disputed.stage, json.loads(disputed.evidence)) == ("judge", {"label": "entailment", "said": "neutral"})
    card = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "a language model labelled the rows without seeing their labels and agreed with 33.3 %" in card
    assert verify(tmp_path / "a").faults == ()
    assert str(tmp_path) not in (tmp_path / "a" / "synthgen.json").read_text()

    (tmp_path / "f.toml").write_text(f'[exact]\n[judge]\nmodel = "{script}"')
    again = run_filters(tmp_path / "in", out=tmp_path / "b", filters=tmp_path / "f.toml")
    assert again.checks["verification"] == made.checks["verification"]
    assert [row["id"] for row in read_rows(tmp_path / "b")] == [row["id"] for row in read_rows(tmp_path / "a")]
    assert str(tmp_path) not in (tmp_path / "b" / "synthgen.json").read_text()
    assert read_manifest(tmp_path / "b").checks["filters"]["judge"]["model"] == "judge.jsonl"


def test_the_judge_of_a_set_is_not_asked_again_when_other_filters_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    import_task("mnli", source="sample", out=tmp_path / "in")
    (tmp_path / "f.toml").write_text("[exact]\n[judge]\n")
    with serving(Faults(say=lambda _: '{"label": "neutral"}')) as (url, server):
        first = run_filters(tmp_path / "in", out=tmp_path / "a", judge=url)
        asked = server.counters["ok"]
        again = run_filters(tmp_path / "in", out=tmp_path / "b", judge=url, filters=tmp_path / "f.toml")
        assert server.counters["ok"] == asked == 60
    assert again.checks["verification"] == first.checks["verification"]


def test_the_model_that_writes_may_judge_and_is_not_asked_again_when_filters_change(
    tiny_model: str, tmp_path: Path
) -> None:
    judged: list[bool] = []

    def answer(request: Request) -> str:
        judged.append(request.sampling.schema is not None)
        if not judged[-1]:
            return sentence(request)
        return json.dumps({"label": NLI.labels[len(request.prompt) % 3]})

    engine = ScriptedEngine(answer)
    options = {"n": 20, "model": tiny_model, "decoding": "plain", "out": tmp_path / "out", "started_engine": engine}
    made = make("mnli", engine="scripted", judge=tiny_model, **options)
    assert made.kept == 20
    found = made.checks["verification"]["judge"]
    assert made.rejected["disputed label"] == found["rows"] - round(found["rows"] * found["agreement"])
    assert {"role": "judge", "name": "model", "revision": "local", "licence": "unknown"} in made.parents
    assert verify(tmp_path / "out").faults == ()
    asked = engine.requests
    runs = [len(list(group)) for is_judged, group in groupby(judged) if is_judged]
    assert max(runs) > 8  # rows wait for each other, so that the judge is not asked one by one
    (tmp_path / "f.toml").write_text("[judge]")
    again = make("mnli", engine="scripted", judge=tiny_model, filters=tmp_path / "f.toml", **options)
    assert engine.requests == asked
    assert again.kept == 20
    with pytest.raises(UserError, match="give the address of a server"):
        make("mnli", judge=tiny_model, ray="auto", **options)


class Core:
    """What an engine uses of vLLM: each step finishes the two requests that waited longest."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, str]] = []

    def add_request(self, name: str, prompt: dict[str, str], _params: object) -> None:
        self.waiting.append((name, "".join(map(chr, prompt["prompt_token_ids"]))))

    def step(self) -> list[SimpleNamespace]:
        done, self.waiting = self.waiting[:2], self.waiting[2:]
        text = [SimpleNamespace(text=f"re: {prompt}", token_ids=[0], finish_reason="stop") for _, prompt in done]
        return [
            SimpleNamespace(request_id=name, finished=True, prompt_token_ids=[0], outputs=[each])
            for (name, _), each in zip(done, text, strict=True)
        ]


class Letters:
    """A tokenizer whose tokens are characters."""

    chat_template, backend_tokenizer = None, None

    def __call__(self, texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def test_vllm_serves_a_run_inside_a_run_and_each_gets_its_own_replies() -> None:
    engine = VllmEngine.__new__(VllmEngine)
    engine.llm = SimpleNamespace(llm_engine=Core(), get_tokenizer=Letters)
    engine.batch_size, engine._refusals, engine._adapter = 4, (), None
    engine._serial, engine._finished = 0, {}
    sampling = Sampling(1, 0.0, -1, ())
    engine._params = {sampling: SimpleNamespace(detokenize=True)}

    def asked(name: str, number: int):
        numbers = count()
        return lambda: Request((n, 0), f"{name}{n}", sampling) if (n := next(numbers)) < number else None

    outer, inner = [], []
    for reply in engine.run(asked("a", 9)):
        outer.append((reply.tag[0], reply.text))
        inner += [(each.tag[0], each.text) for each in engine.run(asked("b", 3))]
    assert sorted(outer) == [(n, f"re: a{n}") for n in range(9)]
    assert sorted(inner) == sorted([(n, f"re: b{n}") for n in range(3)] * 9)
    assert not engine._finished
