"""The contribution of each part of the recipe, read back from MLflow, and its command."""
