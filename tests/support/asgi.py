"""Requests to an ASGI application without a server."""

import asyncio
import json
from typing import Any

JSON = "application/json"


def ask(application: Any, *pieces: bytes, **options: Any) -> tuple[int, Any]:
    """Send a body in pieces, and return status and answer; the options are those of `exchange`."""
    status, answer = asyncio.run(exchange(application, *pieces, **options))
    return status, json.loads(answer)


async def exchange(
    application: Any,
    *pieces: bytes,
    method: str = "POST",
    path: str = "/invocations",
    content_type: str | None = JSON,
    length: int | None = None,
    end: bool = True,
) -> tuple[int, bytes]:
    """Send a request, and return status and body. Without `end` the client waits after the last piece."""
    headers = {b"content-type": content_type, b"content-length": None if length is None else str(length)}
    encoded_headers = [(name, value.encode()) for name, value in headers.items() if value is not None]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "headers": encoded_headers}
    waiting, sent = list(pieces), []

    async def receive():
        if not waiting:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not end}

    async def send(message):
        sent.append(message)

    await application(scope | {"query_string": b""}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def encoded(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else json.dumps(payload).encode()
