"""The HTTP servers, and their command."""
