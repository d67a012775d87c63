"""Rows a second of distilabel's TextGeneration over an OpenAI-compatible endpoint: python FILE URL ROWS IN_FLIGHT."""

import sys
import time

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

if __name__ == "__main__":
    url, rows, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    data = [{"instruction": "word " * 150 + str(number)} for number in range(rows)]
    with Pipeline(name="overhead") as pipeline:
        load = LoadDataFromDicts(data=data, batch_size=in_flight)
        llm = OpenAILLM(model="mock-7b", base_url=url, api_key="none", generation_kwargs={"max_new_tokens": 32})
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)
    begin = time.perf_counter()
    distiset = pipeline.run(use_cache=False)
    seconds = time.perf_counter() - begin
    made = distiset["default"]["train"]
    assert len(made) == rows
    assert all(made["generation"])
    print(rows / seconds)
