"""The HTTP server, and its command."""
