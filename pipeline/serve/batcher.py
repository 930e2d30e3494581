"""Micro-batches: requests that wait at the same time are computed together."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Event

from pipeline.inference.predictor import Prediction, Predictor
from pipeline.inference.pyfunc import TEXTS_PER_TURN

BATCH_TEXTS = 32
"""Texts at which a batch takes no further request: enough to compute texts of similar length together."""
JOINED_CHARACTERS = 20_000
"""Maximum number of characters of a request that is computed with others, which would wait for a longer one."""
PIECE = 64
"""Texts of one request that are computed between two checks that its client is still connected."""
BATCHES = 2
"""Batches at a time: while one is tokenised or its longest texts are computed, another keeps all cores busy."""


@dataclass(frozen=True)
class WaitingRequest:
    """Texts of one request, and the future of its predictions."""

    texts: Sequence[str]
    answer: "Future[list[Prediction]]" = field(default_factory=Future)


class Batcher:
    """Answers the texts of concurrent requests with one predictor.

    Nothing waits for a batch to fill: a request that comes alone is computed at once, and those that come while
    batches are computed make up the next. A request with more than `TEXTS_PER_TURN` texts, or with long ones, gains
    nothing from others, so it is computed by itself; the predictor lets short ones go between its slices. The threads
    end when nothing refers to the batcher any more, that is, when its last request is answered.

    Args:
        predictor: predictor with batches of `TEXTS_PER_TURN` texts.
        observe: called with the number of texts in each batch, from any thread.
    """

    def __init__(self, predictor: Predictor, observe: Callable[[int], object] = lambda _: None) -> None:
        self._predictor, self._observe = predictor, observe
        self._waiting: deque[WaitingRequest] = deque()
        self._threads = ThreadPoolExecutor(BATCHES)

    async def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        """Return the prediction for each text. If the caller is cancelled, its texts are not computed any more."""
        if len(texts) > TEXTS_PER_TURN or sum(map(len, texts)) > JOINED_CHARACTERS:
            return await self._alone(texts)
        request = WaitingRequest(texts)
        self._waiting.append(request)
        self._threads.submit(self._answer_waiting)
        return await asyncio.wrap_future(request.answer)

    def close(self) -> None:
        """Stop computing; a caller that still waits gets an error."""
        self._predictor.close()

    async def _alone(self, texts: Sequence[str]) -> list[Prediction]:
        abandoned = Event()

        def answers() -> Iterator[Prediction]:
            for start in range(0, len(texts), PIECE):
                if abandoned.is_set():
                    return
                yield from self._predictor(texts[start : start + PIECE])

        self._observe(len(texts))
        try:
            return await asyncio.to_thread(lambda: list(answers()))
        finally:
            abandoned.set()

    def _answer_waiting(self) -> None:
        """Answer the waiting requests as one batch; often the batch of an earlier call has left none."""
        batch: list[WaitingRequest] = []
        size = 0
        while self._waiting and size < BATCH_TEXTS:
            try:
                request = self._waiting.popleft()
            except IndexError:  # another thread was faster
                break
            if request.answer.set_running_or_notify_cancel():
                batch.append(request)
                size += len(request.texts)
        if batch:
            self._observe(size)
            self._answer(batch)

    def _answer(self, batch: Sequence[WaitingRequest]) -> None:
        try:
            predictions = iter(self._predictor([text for request in batch for text in request.texts]))
        except Exception as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
            else:  # only the request that cannot be answered fails
                for request in batch:
                    self._answer([request])
        else:
            for request in batch:
                request.answer.set_result(list(islice(predictions, len(request.texts))))
