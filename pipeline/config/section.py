"""Base class and value types that all sections of the configuration share.

The docstring of a key is its one description: the comments in conf/, docs/configuration.md and `--help` repeat it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
"""Number of words, reviews or tokens, which the dataset counts in 32 bits."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(ge=1, le=2**16)]
"""Size of a layer, of a network's input, or of a batch."""
Rate = Annotated[float, Field(gt=0, le=100)]
"""Learning rate; from about 1 on AdamW learns nothing."""
Weight = Annotated[float, Field(ge=0, le=1e6)]
MAPPING = WithJsonSchema({"type": "object"})
"""Documents a mapping as one value: its keys are names of classes, not of settings."""
Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
Fingerprint = SkipJsonSchema[str | None]
"""Hash of the user's own files, which `compose` fills in so that DVC notices an edit; no key for a user to set."""


class Section(BaseModel):
    """A part of the configuration: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
