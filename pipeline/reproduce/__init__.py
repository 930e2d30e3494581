"""A recorded run trained again in a temporary clone, and its command."""
