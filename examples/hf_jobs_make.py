# /// script
# requires-python = ">=3.11"
# dependencies = ["synthgen-evaluator[vllm,hub]"]
# ///
"""Generate a set on a rented GPU and publish it: arguments are those of `synthgen make`, and --to owner/name.

hf jobs uv run --flavor h200 --secrets HF_TOKEN examples/hf_jobs_make.py --task mnli --n 100000 --to owner/name
"""

import argparse
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True)
    known, options = parser.parse_known_args()
    program = str(Path(sys.executable).with_name("synthgen"))
    subprocess.run([program, "make", *options, "--out", "set"], check=True)
    subprocess.run([program, "publish", "set", "--to", known.to], check=True)
