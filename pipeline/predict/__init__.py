"""Predictions for texts: from Python with `load`, from the command line with `python -m pipeline.predict`."""

from pipeline.registry.model_lookup import load

__all__ = ["load"]
