"""The body of any reply of a server: a completion, a list of models, an error."""

from pathlib import Path

from synthgen.engines.base import Request, Sampling
from synthgen.engines.dialect import completion, error_message
from synthgen.engines.http_body import without_key

REQUEST = Request((0, 0), "A prompt.", Sampling(9, 1.0, -1, (), "{}"))
KEY = "sk-0123456789"
ALLOWED = ()
SEEDS = [
    b'{"choices": [{"index": 0, "message": {"content": "A text."}, "finish_reason": "length"}],'
    b'"usage": {"prompt_tokens": 3}}',
    b'{"choices": [{"text": "sk-0123456789 \\u0073k-0123456789"}], "usage": null}',
    b'{"error": {"message": "no such model", "code": 404}}',
    b'{"error": "busy"}',
    b'data: {"choices": [{"delta": {"content": "A "}}]}\n\ndata: {"choices": [{"text": "b"}], "usage": {}}\n\ndata: [DONE]',
    b'{"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]}',
]


def read(data: bytes, _: Path) -> None:
    text = without_key(data.decode("utf-8-sig", "replace"), KEY)
    reply = completion(REQUEST, text)
    assert reply.outcome in ("ok", "http", "busy", "refused")
    assert KEY not in reply.text + reply.error
    assert 0 <= reply.prompt_tokens < 2**63
    reply.text.encode()
    assert len(error_message(text)) <= 300
