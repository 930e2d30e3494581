"""What all parts of the configuration share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
"""Number of words, reviews or tokens, which the dataset counts in 32 bits."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(ge=1, le=2**16)]
"""Size of a layer, of a network's input, or of a batch."""
Rate = Annotated[float, Field(gt=0, le=100)]
"""Learning rate; from about 1 on AdamW learns nothing."""
Weight = Annotated[float, Field(ge=0, le=1e6)]
Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]


class Section(BaseModel):
    """A part of the configuration: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
