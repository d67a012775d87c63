"""vLLM's engine without vLLM: stand-ins for `torch` and `vllm` first on the path of a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from synthgen.engines import Request, Sampling, open_engine
from synthgen.engines.vllm_arguments import check_arguments
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import resolve

TORCH = """
import os
class cuda:
    device_count = staticmethod(lambda: int(os.environ.get("FAKE_GPUS", 1)))
    @staticmethod
    def is_available():
        print("is_available", os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK"))
        return os.environ["FAKE_GPU"] == "1"
"""
VLLM = """
import os
from vllm.stand_in import LLM
class SamplingParams:
    def __init__(self, **values): self.detokenize = values["detokenize"]
"""
STAND_IN = """
import json, os
from types import SimpleNamespace
class LLM:
    scheduler = SimpleNamespace(max_num_seqs=4)
    llm_engine = SimpleNamespace(engine_core=object(), vllm_config=SimpleNamespace(scheduler_config=scheduler))
    def __init__(self, **arguments):
        print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("VLLM_")}))
        print(json.dumps(arguments))
"""
ERRORS = """
class VLLMError(Exception): pass
class EngineDeadError(VLLMError): pass
"""
MORTAL = """
import queue, subprocess, threading
from types import SimpleNamespace
from vllm.exceptions import EngineDeadError

class Tokenizer:
    chat_template, backend_tokenizer = None, None
    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[1] for _ in texts]}

class Core:
    vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=4))
    "Replies to three requests; then its process is killed, which marks the client as dead and nothing else."
    def __init__(self):
        process = subprocess.Popen(["/bin/sleep", "60"])
        manager = SimpleNamespace(processes=[SimpleNamespace(exitcode=None)])
        self.resources = SimpleNamespace(engine_dead=False, engine_manager=manager)
        self.engine_core = SimpleNamespace(resources=self.resources, outputs_queue=queue.Queue())
        self.process, self.waiting = process, []

    def add_request(self, name, *_):
        if self.resources.engine_dead:
            raise EngineDeadError("EngineCore encountered an issue.")
        self.waiting.append(name)

    def step(self):
        if len(self.waiting) < 3:
            raise self.engine_core.outputs_queue.get()
        finished, self.waiting = self.waiting[:3], []
        threading.Thread(target=self.end).start()
        reasons = zip(finished, ("stop", "abort", "error"))
        return [SimpleNamespace(request_id=name, finished=True, prompt_token_ids=[1], outputs=[
            SimpleNamespace(text="t", token_ids=[1], finish_reason=reason)]) for name, reason in reasons]

    def end(self):
        self.process.kill()
        self.resources.engine_manager.processes[0].exitcode = self.process.wait()
        self.resources.engine_dead = True

class LLM:
    def __init__(self, **_):
        self.llm_engine = Core()

    def get_tokenizer(self):
        return Tokenizer()
"""
ARG_UTILS = """
from dataclasses import dataclass
@dataclass
class EngineArgs:
    model: str = ""
    seed: int = 0
    max_num_seqs: int = 0
    enforce_eager: bool = False
    gpu_memory_utilization: float = 0.92
    tensor_parallel_size: int = 1
    quantization: str = ""
    enable_lora: bool = False
"""
SAMPLING_PARAMS = """
from types import SimpleNamespace
class StructuredOutputsParams: pass
RequestOutputKind = SimpleNamespace(FINAL_ONLY=2)
"""
START = """
import os
from pathlib import Path
from synthgen.engines import open_engine
from synthgen.engines.arguments import read_arguments
from synthgen.models.packs import ResolvedModel
arguments = read_arguments(os.environ.get("ENGINE_ARGS"))
model, rows = ResolvedModel(Path("model"), "a/model", "1", "mit"), os.environ.get("ROWS")
engine = open_engine("vllm", model, seed=1, arguments=arguments, rows=int(rows) if rows else None)
"""


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder with the two packages; `vllm/stand_in.py` has the `LLM`, which prints its variables."""
    folder = tmp_path / "stand-ins"
    files = {"__init__": VLLM, "stand_in": STAND_IN, "exceptions": ERRORS}
    files |= {"sampling_params": SAMPLING_PARAMS, "engine/__init__": "", "engine/arg_utils": ARG_UTILS}
    (folder / "vllm" / "engine").mkdir(parents=True)
    (folder / "torch.py").write_text(TORCH, encoding="utf-8")
    for name, text in files.items():
        (folder / "vllm" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def run(stand_ins: Path, script: str, *, gpu: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the stand-ins, on a machine with or without a GPU and with nothing else in its variables."""
    path = os.pathsep.join([str(stand_ins), str(Path(__file__).parents[2])])
    values = {"PYTHONPATH": path, "FAKE_GPU": str(int(gpu)), "SYNTHGEN_CACHE": str(stand_ins / "cache")}
    values["PATH"] = str(stand_ins)
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env=values | variables, capture_output=True, text=True, timeout=60, check=False, cwd=stand_ins
    )


def started(stand_ins: Path, *, gpu: bool = True, **variables: str) -> tuple[str, dict[str, Any]]:
    """Start the engine; return what torch saw when it was asked for a GPU, and vLLM's variables at its start."""
    ended = run(stand_ins, START, gpu=gpu, **variables)
    assert ended.returncode == 0, ended.stderr
    check, environment, _ = ended.stdout.splitlines()
    return check, json.loads(environment)


@pytest.mark.parametrize("gpu", [True, False])
def test_vllm_spawns_its_process_and_cuda_is_not_started_before(stand_ins: Path, gpu: bool) -> None:
    check, environment = started(stand_ins, gpu=gpu)
    assert check == "is_available 1"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


BROKEN = """
import sys
class LLM:
    def __init__(self, **_):
        print("(EngineCore pid=7) ERROR [core.py:9] ValueError: an earlier fault", file=sys.stderr)
        print("(EngineCore pid=7) ERROR [core.py:9] torch.AcceleratorError: CUDA error: no image", file=sys.stderr)
        print("(EngineCore pid=7) ERROR [core.py:9] a line after it", file=sys.stderr, flush=True)
        raise RuntimeError("Engine core initialization failed. See root cause above.")
"""


def test_what_broke_in_vllms_process_is_said_from_its_log(stand_ins: Path) -> None:
    (stand_ins / "vllm" / "stand_in.py").write_text(BROKEN, encoding="utf-8")
    line = run(stand_ins, START).stderr.strip().splitlines()[-1]
    assert "Engine core initialization failed" in line
    assert line.endswith(".log, its last error: torch.AcceleratorError: CUDA error: no image")


def test_what_the_user_set_for_vllm_stays(stand_ins: Path) -> None:
    _, environment = started(stand_ins, VLLM_WORKER_MULTIPROC_METHOD="fork", VLLM_USE_FLASHINFER_SAMPLER="1")
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "fork"
    assert environment["VLLM_USE_FLASHINFER_SAMPLER"] == "1"


def test_a_gpu_without_nvcc_samples_without_flashinfer(stand_ins: Path, tmp_path: Path) -> None:
    assert started(stand_ins)[1]["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in started(stand_ins, CUDA_HOME="/usr/local/cuda")[1]
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\n", encoding="utf-8")
    nvcc.chmod(0o755)
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in started(stand_ins, PATH=str(tmp_path))[1]
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in started(stand_ins, gpu=False)[1]


def test_a_cpu_keeps_the_compiled_model_in_torchs_cache_where_vllms_cannot_be_loaded(stand_ins: Path) -> None:
    assert started(stand_ins, gpu=False)[1]["VLLM_USE_AOT_COMPILE"] == "0"
    assert started(stand_ins, gpu=False, VLLM_USE_AOT_COMPILE="1")[1]["VLLM_USE_AOT_COMPILE"] == "1"
    assert "VLLM_USE_AOT_COMPILE" not in started(stand_ins)[1]


def arguments(stand_ins: Path, given: str | None = None, *, gpu: bool = True, rows: str = "") -> dict[str, Any]:
    """Start the engine with `--engine-args`; return what `vllm.LLM` was called with."""
    ended = run(stand_ins, START, gpu=gpu, ROWS=rows, **({"ENGINE_ARGS": given} if given else {}))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_gpu_serves_with_vllms_defaults_for_throughput_and_any_length_that_fits(stand_ins: Path) -> None:
    on_gpu, on_cpu = arguments(stand_ins), arguments(stand_ins, gpu=False)
    assert (on_gpu["performance_mode"], on_gpu["max_model_len"]) == ("throughput", -1)
    assert not {"max_num_seqs", "dtype"} & set(on_gpu)
    assert (on_cpu["max_num_seqs"], on_cpu["dtype"]) == (32, "float32")


def test_a_cpu_compiles_a_model_only_for_many_rows_and_a_gpu_as_vllm_decides(stand_ins: Path) -> None:
    compiler = stand_ins / "g++"
    for is_there in (False, True):
        if is_there:
            compiler.touch(0o755)
        eager = [arguments(stand_ins, gpu=False, rows=rows)["enforce_eager"] for rows in ("199", "200", "")]
        assert eager == [True, not is_there, not is_there]
    assert "enforce_eager" not in arguments(stand_ins, rows="10")
    assert not arguments(stand_ins, '{"enforce_eager": false}', gpu=False, rows="10")["enforce_eager"]


def test_engine_arguments_come_from_json_or_a_file_and_take_the_place_of_ours(stand_ins: Path, tmp_path: Path) -> None:
    values = {"max_num_seqs": 7, "gpu_memory_utilization": 0.5, "quantization": "fp8"}
    files = {
        "args.json": json.dumps(values),
        "args.toml": "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for given in (json.dumps(values), *(str(tmp_path / name) for name in files)):
        assert values.items() <= arguments(stand_ins, given, gpu=False).items()


def test_gpus_that_one_engine_leaves_idle_are_named_with_what_uses_them(stand_ins: Path) -> None:
    said = [run(stand_ins, START, FAKE_GPUS=count, ENGINE_ARGS='{"tensor_parallel_size": 2}').stderr for count in "238"]
    assert said[0] == ""
    assert said[1].startswith("1 more GPU is idle: --ray auto runs an engine on each")
    assert said[2].startswith("6 more GPUs are idle: ")


def test_an_adapter_is_an_argument_of_our_own_with_the_rank_it_needs(stand_ins: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 24}', encoding="utf-8")
    called = arguments(stand_ins, json.dumps({"lora": str(tmp_path)}))
    assert (called["enable_lora"], called["max_lora_rank"]) == (True, 32)
    assert "lora" not in called


@pytest.mark.parametrize(
    "config", ['{"r": 1e999}', '{"r": "16"}', '{"r": 0}', '{"r": 513}', "[1]", "{}", '{"r": 1', "\xff"]
)
def test_an_adapter_whose_rank_cannot_be_read_is_refused_in_one_line(config: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_bytes(config.encode("latin-1"))
    for folder in (str(tmp_path), "~no-such-user/adapter", "no\0folder", 7):
        with pytest.raises(UserError, match="lora in --engine-args is .*; allowed: a folder with adapter_config.json"):
            check_arguments({"lora": folder})


def test_several_gpus_of_one_engine_are_served_without_tasks_of_ray(stand_ins: Path) -> None:
    called = arguments(stand_ins, '{"tensor_parallel_size": 2}')
    assert (called["tensor_parallel_size"], called["distributed_executor_backend"]) == (2, "mp")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            '{"gpu_memory_utilisation": 0.5}',
            "unknown engine argument 'gpu_memory_utilisation' in --engine-args; did you mean 'gpu_memory_utilization'?",
        ),
        ('{"model": "x"}', "'model' is not an argument for --engine-args; give --model"),
        (
            '{"hf_token": "x"}',
            "'hf_token' is not an argument for --engine-args; give the environment variable HF_TOKEN",
        ),
        (
            '{"tensor_parallel_size": 0}',
            "tensor_parallel_size in --engine-args is 0; allowed: a whole number above 0",
        ),
        ('{"lora": "/nowhere"}', "lora in --engine-args is '/nowhere'; allowed: a folder with adapter_config.json"),
        ('{"model": ', "--engine-args is not JSON: "),
        ("[1]", "--engine-args '[1]' is neither a file NAME.toml or NAME.json nor a JSON object {...}"),
        ("no.toml", "cannot read --engine-args no.toml: No such file or directory"),
        ("no.json", "cannot read --engine-args no.json: No such file or directory"),
    ],
)
def test_a_wrong_engine_argument_is_refused_in_one_line(stand_ins: Path, given: str, line: str) -> None:
    ended = run(stand_ins, START, ENGINE_ARGS=given)
    assert ended.stderr.strip().splitlines()[-1].startswith(f"synthgen.errors.UserError: {line}")


WITHOUT_VLLM = """
import sys
from importlib.machinery import PathFinder
class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name == "vllm" else PathFinder.find_spec(name, *rest)
sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.mark.parametrize(
    "call",
    [
        "from pathlib import Path; import synthgen; synthgen.make('mnli', n=5, model='no/such-model', out=Path('out'))",
        "from synthgen.translation.backends.registry import open_backend as o; o('llm:no/such-model')",
    ],
)
def test_without_vllm_no_model_is_fetched_and_an_endpoint_is_named(stand_ins: Path, call: str) -> None:
    ended = run(stand_ins, WITHOUT_VLLM + call, HF_ENDPOINT="http://127.0.0.1:9")
    line = ended.stderr.strip().splitlines()[-1]
    assert "--engine vllm needs the package 'vllm': pip install 'synthgen-evaluator[vllm]'" in line
    assert "--engine endpoint" in line
    assert "no/such-model" not in line


SERVE = (
    START
    + """
from synthgen.engines import Request, Sampling
requests = [Request((number, 0), "prompt", Sampling(1, 0.0, -1, ())) for number in range(3)]
try:
    for reply in engine.run(lambda: requests.pop() if requests else None):
        print(reply.outcome, reply.error, flush=True)
        requests += [Request((number, 1), "prompt", Sampling(1, 0.0, -1, ())) for number in range(2 - len(requests))]
except Exception as error:
    print(type(error).__name__, error)
"""
)


def test_a_killed_process_of_vllm_ends_the_run_in_one_line(stand_ins: Path) -> None:
    (stand_ins / "vllm" / "stand_in.py").write_text(MORTAL, encoding="utf-8")
    ended = run(stand_ins, SERVE)
    _, *replies, line = ended.stdout.splitlines()
    assert replies == ["ok ", "http vLLM ended the reply with 'abort'", "http vLLM ended the reply with 'error'"]
    assert line.startswith("IncompleteError vLLM's process ended (signal 9: out of memory?); its log is ")
    assert line.endswith(".log; all replies are kept; run the same command again to continue")


HUB = """
import os
from pathlib import Path
from types import SimpleNamespace

class HfApi:
    def __init__(self, endpoint=None):
        pass

    def snapshot_download(self, name, revision, **_):
        with open(os.environ["HUB_LOG"], "a") as log:
            print(name, revision, file=log)
        folder = Path(os.environ["HUB_LOG"]).parent / "snapshots" / (revision or "0" * 40)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def model_info(self, *_, **__):
        return SimpleNamespace(card_data={"license": "mit"})
"""


@pytest.mark.ray
@pytest.mark.parametrize(("ref", "first"), [("an/llm", None), (f"an/llm@{'1' * 40}", "1" * 40)])
def test_engines_of_a_cluster_fetch_the_commit_that_the_driver_resolved(
    stand_ins: Path, tmp_path: Path, ref: str, first: str | None
) -> None:
    pytest.importorskip("ray")
    (stand_ins / "huggingface_hub").mkdir()
    (stand_ins / "huggingface_hub" / "__init__.py").write_text(HUB, encoding="utf-8")
    errors = "class HfHubHTTPError(OSError): pass\nclass LocalEntryNotFoundError(OSError): pass\n"
    (stand_ins / "huggingface_hub" / "errors.py").write_text(errors, encoding="utf-8")
    script = "from synthgen.engines import open_engine, resolve_model\n"
    script += f"model = resolve_model('vllm', {ref!r}, timeout=5, ray='local')\n"
    script += "open_engine('vllm', model, seed=0, ray='local').close()\n"
    variables = {"HUB_LOG": str(tmp_path / "hub.log"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = run(stand_ins, script, gpu=False, **variables)
    assert ended.returncode == 0, ended.stderr
    asked = (tmp_path / "hub.log").read_text(encoding="utf-8").splitlines()
    assert asked == [f"an/llm {first}", f"an/llm {first or '0' * 40}"]


@pytest.mark.vllm
def test_the_real_vllm_killed_within_a_run_ends_it_within_half_a_minute() -> None:
    pytest.importorskip("vllm")
    sampling = Sampling(max_tokens=12, temperature=0.8, top_k=20, stop=())
    with closing(open_engine("vllm", resolve("pack:smollm2-135m-instruct"), seed=0)) as engine:
        (process,) = engine.llm.llm_engine.engine_core.resources.engine_manager.processes  # type: ignore[attr-defined]
        numbers = count()
        replies = engine.run(lambda: Request((next(numbers), 0), "Once upon a time", sampling))
        next(replies)
        os.kill(process.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        with pytest.raises(
            IncompleteError, match=r"signal 9.*\.log; all replies are kept; run the same command again to continue"
        ):
            list(replies)
        assert time.monotonic() - killed_at < 30
