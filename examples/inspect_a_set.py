# %% [markdown]
# # Look at a set
# Import rows that ship with this package, filter them, and look at what `inspect` measures, in Python.

# %%
from datasets import load_dataset

import synthgen

synthgen.import_task("snli", source="sample", n=300, out="runs/example")
manifest = synthgen.filter("runs/example", out="runs/example-clean")
print(manifest.kept, manifest.rejected, manifest.label_counts)

# %% [markdown]
# The rows, with the Hugging Face library, and as a data frame.

# %%
rows = load_dataset("runs/example-clean", split="train")
print(rows.features["label"].names)
print(rows.to_pandas().head())

# %% [markdown]
# Artefacts: the accuracy of partial-input baselines, which see one part of the row alone.

# %%
checks = synthgen.inspect("runs/example-clean", like="runs/example").checks
for part, scores in checks["artefacts"]["baselines"].items():
    print(part, scores["accuracy"], "against", scores["majority"], "by guessing")
print(checks["artefacts"]["verdict"])

# %% [markdown]
# Why rows were rejected.

# %%
for reason in synthgen.why("runs/example-clean"):
    print(reason["count"], reason["reason"], reason["examples"][0]["evidence"])
