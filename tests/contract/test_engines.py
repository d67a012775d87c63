"""What every engine promises, run against a script, a local endpoint, and the real vLLM with the bundled generator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from synthgen.dataset import read_rows
from synthgen.dataset.schemas import faults
from synthgen.engines import Engine, NextRequest, Reply, Request, Sampling, engine_specs, open_engine, resolve_model
from synthgen.engines import scripted as scripted_module
from synthgen.engines.base import EngineSpec
from synthgen.engines.failures import TOO_LONG
from synthgen.errors import UserError
from synthgen.filters.base import JudgeConfig
from synthgen.filters.labels.llm_judge import LLMJudge
from synthgen.generation.make import make
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.task.registry import definitions
from synthgen.translation.backends.base import TranslationFailure
from synthgen.translation.backends.llm import LlmTranslator
from tests.mock_endpoint import serving
from tests.synthgen.conftest import NLI
from tests.synthgen.scripts import sentence

GENERATOR = "pack:smollm2-135m-instruct"
SAMPLING = Sampling(max_tokens=12, temperature=0.8, top_k=20, stop=("\n",))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(spec, id=name, marks=pytest.mark.vllm if spec.serves == "model" else ())
        for name, spec in engine_specs().items()
    ],
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    spec: EngineSpec = request.param
    with ExitStack() as stack:
        if spec.serves == "replies":
            replies = tmp_path_factory.mktemp("replies") / "replies.jsonl"
            replies.write_text("".join(json.dumps({"text": sentence(each)}) + "\n" for each in requests(1000)))
            ref = str(replies)
        elif spec.serves == "address":
            ref, _ = stack.enter_context(serving())
        else:
            pytest.importorskip("vllm")
            ref = GENERATOR
        model = resolve_model(spec.name, ref, timeout=5)
        yield stack.enter_context(closing(open_engine(spec.name, model, seed=0, timeout=5)))


def requests(count: int) -> Iterator[Request]:
    for number in range(count):
        yield Request((number, 0), f"One sentence about topic {number}:", SAMPLING, nonce=number)


def test_every_request_gets_exactly_one_reply(engine: Engine) -> None:
    source = requests(150)
    replies = list(engine.run(lambda: next(source, None)))
    assert sorted(reply.tag for reply in replies) == [(number, 0) for number in range(150)]
    assert all(reply.outcome == "ok" for reply in replies)
    assert sum(reply.output_tokens for reply in replies) > 150


def test_a_reply_can_ask_for_the_next_request(engine: Engine) -> None:
    waiting = [Request((0, 0), "Once upon a time", SAMPLING)]
    steps = []
    for reply in engine.run(lambda: waiting.pop() if waiting else None):
        steps.append(reply.tag[1])
        if len(steps) < 3:
            waiting.append(Request((0, len(steps)), f"Then {reply.text}", SAMPLING))
    assert steps == [0, 1, 2]


def test_no_request_is_no_reply(engine: Engine) -> None:
    assert list(engine.run(lambda: None)) == []


@pytest.mark.vllm
def test_vllm_answers_an_over_long_prompt_as_what_is_never_sent_again_and_goes_on(engine: Engine) -> None:
    if engine.name != "vllm":
        pytest.skip("only vLLM has a context length here")
    waiting = [Request((1, 0), "A short one:", SAMPLING), Request((0, 0), "word " * 20_000, SAMPLING)]
    replies = {reply.tag[0]: reply.error for reply in engine.run(lambda: waiting.pop() if waiting else None)}
    assert replies[0] == TOO_LONG != replies[1]


@pytest.mark.vllm
def test_vllm_keeps_to_a_json_schema(engine: Engine) -> None:
    if engine.name != "vllm":
        pytest.skip("only vLLM has a grammar here")
    from synthgen.formats.reply_schema import text_object

    sampling = Sampling(max_tokens=60, temperature=0.5, top_k=20, stop=(), schema=json.dumps(text_object("premise")))
    waiting = [Request((0, 0), 'A sentence as JSON, like {"premise": "It rains."}:\n', sampling)]
    (reply,) = engine.run(lambda: waiting.pop() if waiting else None)
    assert reply.error or json.loads(reply.text).keys() == {"premise"}
    assert reply.text.lstrip().startswith("{")


@pytest.mark.vllm
@pytest.mark.parametrize("limit", [3, 12, 200])
def test_the_text_of_a_reply_is_vllms_own(engine: Engine, limit: int) -> None:
    if engine.name != "vllm":
        pytest.skip("only vLLM gives tokens")
    texts = []
    for stop in ((), ("a stop that never comes",)):  # with which vLLM writes the text itself
        waiting = [Request((0, 0), "Emoji, ein Satz, एक वाक्य: 😀🎉", Sampling(limit, 0.0, -1, stop))]
        (reply,) = engine.run(lambda waiting=waiting: waiting.pop() if waiting else None)  # type: ignore[misc]
        texts.append((reply.text, reply.error))
    assert texts[0] == texts[1]
    assert texts[0][0]


class ShortReplies:
    """An engine whose replies end after six tokens, whatever is asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.check = engine.check

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        def shortened() -> Request | None:
            request = next_request()
            return request and replace(request, sampling=replace(request.sampling, max_tokens=6))

        return self._engine.run(shortened)


@pytest.mark.vllm
def test_vllm_translates_into_the_object_asked_for_and_what_is_cut_off_is_no_translation(engine: Engine) -> None:
    if engine.name != "vllm":
        pytest.skip("only vLLM has a grammar and a limit here")
    items = [("The cat sat on the mat.", "A cat sat."), ("Ann runs every day. " * 60, "She is fast.")]
    translator = LlmTranslator(resolve(GENERATOR), lambda: engine)
    for outcome in translator.translate(items, "English", "French"):
        if isinstance(outcome, TranslationFailure):
            assert outcome.reason in ("truncated", "template residue", "refusal")
            assert not outcome.failed
        else:
            assert len(outcome) == 2
    long = [("The cat sat on the mat. " * 12, "A cat sat. " * 12), items[1]]
    cut = LlmTranslator(resolve(GENERATOR), lambda: ShortReplies(engine)).translate(long, "English", "French")
    assert [isinstance(each, TranslationFailure) and each.reason for each in cut] == ["truncated"] * 2


@pytest.mark.vllm
def test_a_judge_on_vllm_says_one_of_the_labels_of_every_row(engine: Engine) -> None:
    if engine.name != "vllm":
        pytest.skip("tests/synthgen/test_judge.py has the judge on a script")
    judge = LLMJudge(NLI, JudgeConfig(definitions=definitions("mnli")), resolve(GENERATOR), lambda: engine, owned=False)
    rows = [
        {"premise": "A dog sleeps on the mat.", "hypothesis": f"The {word} is awake.", "label": 0} for word in "abcdef"
    ]
    assert {said.text if said else "" for said in judge.read(rows)} <= set(NLI.labels)
    assert judge.metadata()["tokens"]["output"] > 0


def test_make_runs_on_the_engine_and_keeps_exactly_n(engine: Engine, tiny_model: str, tmp_path: Path) -> None:
    model = GENERATOR if engine.name == "vllm" else tiny_model
    manifest = make(
        "mnli", n=12, model=model, engine=engine.name, out=tmp_path / "out", decoding="plain", started_engine=engine
    )
    rows = list(read_rows(tmp_path / "out"))
    assert len(rows) == 12
    assert manifest.label_counts == {"entailment": 4, "neutral": 4, "contradiction": 4}
    assert faults(json.loads(manifest.to_json()), "manifest") == []


def test_an_unknown_engine_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown engine 'vlm'; did you mean 'vllm'"):
        open_engine("vlm", ResolvedModel(tmp_path, "x", "1", "mit"), seed=0)


def test_the_engines_are_found_in_their_folder_the_default_ones_first() -> None:
    assert list(engine_specs()) == ["vllm", "endpoint", "scripted"]


@pytest.mark.slow  # the contract tests once more, in a process of its own
def test_one_new_file_is_an_engine_that_these_checks_run_on(tmp_path: Path) -> None:
    source = Path(scripted_module.__file__).read_text(encoding="utf-8")
    (tmp_path / "parrot.py").write_text(source.replace('"scripted"', '"parrot"'), encoding="utf-8")
    code = (
        "import sys, pytest, synthgen.engines as engines; engines.__path__.append(sys.argv[1]); "
        "sys.exit(pytest.main([sys.argv[2], '-k', 'parrot', '-n', '0', '-m', 'not vllm', '-rA']))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout
    assert "::test_make_runs_on_the_engine_and_keeps_exactly_n[parrot]" in done.stdout
    assert "4 passed" in done.stdout
