# %% [markdown]
# # Read results
# The scores of `examples/tiny` as a data frame, and one number of the report built again. Run from the project's
# folder; a first run trains for about a minute.

# %%
import subprocess
import sys

import pandas as pd

import evaluator

subprocess.run([sys.executable, "examples/tiny/model.py"], check=True)
done = evaluator.run("examples/tiny/experiment.toml", changes=["sizes=[12, 48]"])

# %% [markdown]
# A line a score. `size` is the number of intermediate examples; 0 stands for the arm without.

# %%
scores = pd.read_json("runs/tiny/results.jsonl", lines=True)
print(scores[["arm", "size", "seed", "target", "language", "metric", "value", "n"]].head())

# %% [markdown]
# The number that the report compares: the mean over targets of the mean over languages other than English.

# %%
headline = scores[(scores.language != "en") & (scores.metric != "token_accuracy")]
by_seed = headline.groupby(["arm", "size", "seed", "target"]).value.mean().groupby(["arm", "size", "seed"]).mean()
print(by_seed.groupby(["arm", "size"]).agg(["mean", "std"]).round(2))

# %% [markdown]
# What the comparison says, and its tables.

# %%
for pair in done.comparison.headline()[:3]:
    print(pair.a, "against", pair.b, pair.size, pair.verdict, round(pair.estimate.value, 2))
