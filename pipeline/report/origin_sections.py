"""What the report's page says of where a model comes from: its data, how to make it again."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.blocks import Section, Table
from pipeline.report.formatting import percent


def data(summary: Mapping[str, Any]) -> Section:
    """The splits and the duplicates found, from `reports/data.json`."""
    splits = summary["splits"]
    duplicates = summary["duplicates"]
    rows = [
        [
            name,
            f"{split['reviews']:,}",
            percent(split.get("positive_share")),
            f"{split['tokens']['p50']:,}",
            f"{split['tokens']['p95']:,}",
            f"{split['cut']:,}",
            percent(split["unknown_word_share"]),
        ]
        for name, split in splits.items()
    ]
    columns = ["split", "reviews", "positive", "median tokens", "19 in 20 below", "cut", "unknown words"]
    found = [
        ["reviews that repeat an earlier one", f"{duplicates['repeats']:,}"],
        ["of these word for word", f"{duplicates['exact']:,}"],
        ["of these but for case, marks or spaces", f"{duplicates['near_exact']:,}"],
        *([f"within {name}", f"{count:,}"] for name, count in duplicates["within"].items()),
        *([f"across {name}", f"{count:,}"] for name, count in duplicates["across"].items()),
        *([f"dropped from {name}", f"{count:,}"] for name, count in duplicates["dropped"].items()),
        ["with both labels", f"{duplicates['label_conflicts']:,}"],
    ]
    return Section(
        "data",
        f"The data: {summary['corpus']}",
        "A model could recognise a test review it has trained on instead of judging it: of what repeats, only the test "
        "split keeps all. Cut reviews are longer than the network reads; words are unknown that the training reviews "
        "lack or hold too rarely.",
        [
            Table(f"Splits; the vocabulary has {summary['vocabulary']:,} words", columns, rows),
            Table("Duplicates", ["", "reviews"], found),
        ],
    )


def reproduce(tags: Mapping[str, str]) -> Section | None:
    """Commit, data and commands by which the model can be made again, from the tags in `artifacts/run.json`."""
    if not tags:
        return None
    dirty = tags["git.dirty"] == "true"
    rows = [
        ["code", f"commit {tags['git.commit']}{', with changes that were not committed' if dirty else ''}"],
        ["data", f"md5 {tags['data.md5']}"],
        ["configuration", f"params.yaml, SHA-256 {tags['config.hash']}"],
        ["packages", "as constraints.txt of that commit pins them"],
        ["commands", _commands(tags)],
    ]
    return Section(
        "reproduce",
        "How to make it again",
        "In a clone of the project. On the same kind of processor with as many threads the same figures come out.",
        [Table("Made from", ["", ""], rows, words=2)],
    )


def _commands(tags: Mapping[str, str]) -> str:
    commit, experiment = tags["git.commit"], tags.get("dvc.experiment")
    steps = [
        f"git checkout {commit}" if commit != "unknown" else "",  # outside git
        f"dvc exp apply {experiment}" if experiment else "",
        "make repro",
    ]
    return "; ".join(filter(None, steps))
