"""Registered versions, the champion, the model card, and models by name."""
