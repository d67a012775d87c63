"""vLLM's engine without vLLM: stand-ins for `torch` and `vllm` first on the path of a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TORCH = """
import os
class cuda:
    @staticmethod
    def is_available():
        print("is_available", os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK"))
        return os.environ["FAKE_GPU"] == "1"
"""
VLLM = """
import os
from vllm.stand_in import LLM
class SamplingParams:
    def __init__(self, **values): pass
"""
STAND_IN = """
import json, os
class LLM:
    def __init__(self, **arguments):
        print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("VLLM_")}))
"""
ERRORS = """
class VLLMError(Exception): pass
class EngineDeadError(VLLMError): pass
"""
START = """
from pathlib import Path
from synthgen.engines.vllm import VllmEngine
from synthgen.models.packs import ResolvedModel
engine = VllmEngine(ResolvedModel(Path("model"), "a/model", "1", "mit"), seed=1)
"""


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder with the two packages; `vllm/stand_in.py` has the `LLM`, which prints its variables."""
    folder = tmp_path / "stand-ins"
    files = {"__init__": VLLM, "stand_in": STAND_IN, "exceptions": ERRORS}
    files["sampling_params"] = "class StructuredOutputsParams: pass\n"
    (folder / "vllm").mkdir(parents=True)
    (folder / "torch.py").write_text(TORCH, encoding="utf-8")
    for name, text in files.items():
        (folder / "vllm" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def run(stand_ins: Path, script: str, *, gpu: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the stand-ins, on a machine with or without a GPU and with nothing else in its variables."""
    path = os.pathsep.join([str(stand_ins), str(Path(__file__).parents[2])])
    values = {"PYTHONPATH": path, "FAKE_GPU": str(int(gpu)), "SYNTHGEN_CACHE": str(stand_ins / "cache"), "PATH": ""}
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env=values | variables, capture_output=True, text=True, timeout=60, check=False, cwd=stand_ins
    )


def started(stand_ins: Path, *, gpu: bool = True, **variables: str) -> tuple[str, dict[str, Any]]:
    """Start the engine; return what torch saw when it was asked for a GPU, and vLLM's variables at its start."""
    ended = run(stand_ins, START, gpu=gpu, **variables)
    assert ended.returncode == 0, ended.stderr
    check, environment = ended.stdout.splitlines()
    return check, json.loads(environment)


@pytest.mark.parametrize("gpu", [True, False])
def test_vllm_spawns_its_process_and_cuda_is_not_started_before(stand_ins: Path, gpu: bool) -> None:
    check, environment = started(stand_ins, gpu=gpu)
    assert check == "is_available 1"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


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
