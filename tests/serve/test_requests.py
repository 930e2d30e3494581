"""The checks of a body take linear time."""

import pytest

from pipeline.serve.limits import Limits
from pipeline.serve.requests import Refusal, check_body
from pipeline.tables.lines import RepeatedKeyError, distinct_keys


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\', b"[", b"[],", b"{},", b"1,", b" ", b"<", b"]"])
def test_no_large_body_takes_long_to_check(piece):
    for start in (b"", b'"', b'{"inputs": ['):
        with pytest.raises(Refusal):
            check_body(start + piece * 200_000, Limits(), [["text"]])


def test_a_key_given_twice_among_many_is_noticed_in_one_pass():
    compared = []

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    names = [f"{i}" for i in range(2000)]
    with pytest.raises(RepeatedKeyError, match="the key '1999' is given twice"):
        distinct_keys([(Name(name), None) for name in [*names, "1999"]])
    assert len(compared) < 10 * len(names)
