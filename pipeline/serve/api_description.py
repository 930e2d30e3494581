"""Description of the fast server's requests and responses, with examples, for its OpenAPI page."""

from typing import Any

from pipeline.inference.pyfunc import OUTPUT, OUTPUTS, PROBABILITIES
from pipeline.serve.requests import PARAMS_KEY, TABLE_KEY, TEXTS_KEY

DESCRIPTION = """Labels for texts, with calibrated probabilities.

With two classes `probability` is that of the second, such as `positive`; with more it is that of the label."""

_TEXTS = {"type": "array", "items": {"type": ["string", "null"]}, "description": "null counts as an empty text"}
_ROWS = {"type": "array", "items": {"type": "object"}, "description": "each with a column `text`, or that of training"}
_TABLE = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "items": {"type": "array", "items": {}}},
    },
    "required": ["data"],
}
_PARAMS = {
    "type": "object",
    "properties": {OUTPUT: {"type": "string", "enum": list(OUTPUTS), "default": OUTPUTS[0]}},
    "additionalProperties": False,
}
_REVIEWS = ["one of the best films this year", "two hours of my life that nobody gives back"]
_PREDICTIONS = [{"label": "positive", "probability": 0.996}, {"label": "negative", "probability": 0.046}]
_BY_CLASS = [{"negative": 0.004, "positive": 0.996}, {"negative": 0.954, "positive": 0.046}]
_REASONS = {
    400: "not JSON of this form",
    408: "the body did not arrive in time",
    413: "larger than a limit",
    415: "another content type",
    429: "too many texts are waiting",
    503: "no answer in time, or the server shuts down",
}


def _described(summary: str, forms: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    """Return FastAPI's arguments for an endpoint that classifies texts.

    Args:
        summary: one-line summary.
        forms: schema of each key that may hold the texts.
        examples: requests by name.
    """
    schema = {
        "type": "object",
        "properties": {**forms, PARAMS_KEY: _PARAMS},
        "oneOf": [{"required": [key]} for key in forms],
        "additionalProperties": False,
    }
    named_examples = {name: {"value": value} for name, value in examples.items()}
    answer = {"type": "object", "properties": {"predictions": {"type": "array", "items": {"type": "object"}}}}
    answers = {
        "label and probability": {"value": {"predictions": _PREDICTIONS}},
        PROBABILITIES: {"value": {"predictions": _BY_CLASS}},
    }
    reason = {"type": "object", "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}}}
    refusals = {
        status: {"description": text, "content": {"application/json": {"schema": reason}}}
        for status, text in _REASONS.items()
    }
    return {
        "summary": summary,
        "responses": {
            200: {
                "description": "a prediction for each text, in the order of the texts",
                "content": {"application/json": {"schema": answer, "examples": answers}},
            },
            **refusals,
        },
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "examples": named_examples}},
            }
        },
    }


PREDICT_ARGUMENTS = _described(
    "Classify texts",
    {TEXTS_KEY: _TEXTS},
    {
        "two texts": {TEXTS_KEY: _REVIEWS},
        "the probability of each class": {TEXTS_KEY: _REVIEWS, PARAMS_KEY: {OUTPUT: PROBABILITIES}},
    },
)
"""Arguments of `POST /predict`."""
INVOCATIONS_ARGUMENTS = _described(
    "Classify texts, in the forms of MLflow's scoring protocol",
    {"inputs": _TEXTS, "instances": _TEXTS, "dataframe_records": _ROWS, TABLE_KEY: _TABLE},
    {
        "inputs": {"inputs": _REVIEWS},
        "dataframe_records": {"dataframe_records": [{"id": 7, "text": _REVIEWS[0]}]},
        TABLE_KEY: {TABLE_KEY: {"columns": ["id", "text"], "data": [[7, _REVIEWS[0]]]}},
    },
)
"""Arguments of `POST /invocations`."""
READY_ARGUMENTS: dict[str, Any] = {
    "summary": "Say whether a request would be accepted now, and which model answers",
    "responses": {503: {"description": "too many texts are waiting"}},
}
"""Arguments of `GET /ready`."""
METRICS_ARGUMENTS: dict[str, Any] = {"summary": "Metrics in the text format of Prometheus"}
"""Arguments of `GET /metrics`."""
