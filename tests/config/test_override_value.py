"""Values written as overrides."""

import pytest

from pipeline.config.composition import compose_config
from pipeline.config.override_value import override_value


@pytest.mark.parametrize(
    "text",
    ["cp1252", "2023", ".5", "a/b.csv", "../b.csv", "true", "a b", "a, b", "\\", "a\\b", 'a "b"\\', "${x}", "\\${x}"],
)
def test_hydra_reads_a_text_as_it_was(text):
    values = {"a": [text, 1], "b": [text]}
    overrides = [f"corpus.name={override_value(text)}", f"+registry.checks.a={override_value(values)}"]
    read = compose_config(overrides)
    assert read["corpus"]["name"] == text
    assert read["registry"]["checks"]["a"] == values
