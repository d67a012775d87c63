"""Rows a second of Data Designer's LLM column over an OpenAI-compatible endpoint: python FILE URL ROWS IN_FLIGHT."""

import sys
import tempfile
import time

import data_designer.config as dd
from data_designer.interface import DataDesigner

if __name__ == "__main__":
    url, rows, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    provider = dd.ModelProvider(name="mock", endpoint=url, provider_type="openai", api_key="none")
    parameters = dd.ChatCompletionInferenceParams(max_parallel_requests=in_flight, max_tokens=32, temperature=1.0)
    model = dd.ModelConfig(
        alias="m", model="mock-7b", provider="mock", inference_parameters=parameters, skip_health_check=True
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    topics = dd.CategorySamplerParams(values=[f"topic {number}" for number in range(50)])
    builder.add_column(dd.SamplerColumnConfig(name="topic", sampler_type=dd.SamplerType.CATEGORY, params=topics))
    prompt = "word " * 150 + "{{ topic }}"
    builder.add_column(dd.LLMTextColumnConfig(name="hypothesis", prompt=prompt, model_alias="m"))
    with tempfile.TemporaryDirectory() as folder:
        designer = DataDesigner(artifact_path=folder, model_providers=[provider])
        begin = time.perf_counter()
        results = designer.create(builder, num_records=rows)
        seconds = time.perf_counter() - begin
        made = results.load_dataset()
    assert len(made) == rows
    print(rows / seconds)
