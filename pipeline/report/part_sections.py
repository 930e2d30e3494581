"""What the report's page says of parts of the reviews, and of reviews made to probe the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.slices import ENOUGH, values_of, worst_part
from pipeline.report.blocks import Section, Table, picture
from pipeline.report.formatting import number, percent, spoken

SLICES = {LENGTH: "By length in words", UNKNOWN_WORDS: "By the share of words the vocabulary lacks"}


def slices(table: Columns, figures: Path) -> Section:
    """Accuracy on parts of the test split."""
    worst = worst_part(table)
    named = (
        ""
        if worst is None
        else f" The worst of those with {ENOUGH} reviews or more: {spoken(worst['slice'])} {spoken(worst['value'])}, "
        f"with {percent(worst['accuracy'])}."
    )
    return Section(
        "slices",
        "Where it is better and worse",
        "Accuracy on parts of the test reviews, with its 95 % interval (Wilson); few reviews, wide interval. Of many "
        f"parts some are low by chance.{named}",
        [_slice(table, name) for name in dict.fromkeys(table["slice"])],
        [
            picture(figures, "accuracy_by_length", "Accuracy by length; its numbers are in the table."),
            picture(figures, "slices", "Accuracy of every part; its numbers are in the tables."),
        ],
    )


def behaviour(table: Columns, examples: Mapping[str, Any], figures: Path) -> Section:
    """Failures of each capability, and examples of them."""
    columns = ["capability", "test", "what is asked", "cases", "failed", "rate", "95 % interval"]
    rows = [
        [spoken(name), test, examples[name]["description"], f"{cases:,}", f"{failures:,}", *_share(rate, low, high)]
        for name, test, cases, failures, rate, low, high in zip(*table.values(), strict=True)
    ]
    return Section(
        "behaviour",
        "What it understands",
        "Short reviews written to ask one thing each (after CheckList, Ribeiro et al. 2020). Minimum functionality: is "
        "the answer right? Invariance: does it stay when what was changed does not matter? Direction: does the "
        "probability move the right way when it does? High rates are what not to trust the model with.",
        [
            Table(f"{sum(table['cases']):,} cases", columns, rows, words=3),
            *(_failures(name, found) for name, found in examples.items() if found["examples"]),
        ],
        [picture(figures, "behaviour", "Failure rates; the numbers are in the table.")],
    )


def contrast(metrics: Mapping[str, Any]) -> Section:
    """Accuracy on either side of the contrast pairs, and on both."""
    rows = [
        [name, percent(metrics[key])]
        for key, name in {
            "original_accuracy": "originals right",
            "edited_accuracy": "edited reviews right",
            "consistency": "both right",
        }.items()
    ]
    return Section(
        "contrast",
        "Pairs that differ in little and mean the opposite",
        "Each pair is a review and an edit of it with the other label. A model that goes by the style of a review, not "
        "by its verdict, gets one of the two right; only both right count as understood.",
        [Table(f"{metrics['pairs']:,} pairs", ["", "share"], rows)],
    )


def memory(ladder: Mapping[str, Any], figures: Path) -> Section:
    """What the networks of the ladder of memory remember."""
    rows = [
        [
            spoken(name),
            number(model["accuracy"]),
            number(model["farther_half"]),
            *(percent(model["sentence"][place]["flip_rate"]) for place in ("start", "end")),
        ]
        for name, model in ladder["models"].items()
    ]
    columns = ["", "accuracy", "gradient in the farther half", "flips at the start", "flips at the end"]
    return Section(
        "memory",
        "What kinds of network remember",
        "Other networks, trained alike on the same data (docs/memory.md), judged on validation. The more of the "
        "gradient lies in the farther half of a review, and the more answers a sentence at its start flips, the "
        "farther back a network remembers.",
        [Table("The ladder of memory", columns, rows)],
        [picture(figures, "memory_ladder", "The ladder of memory; its main numbers are in the table.")],
    )


def _slice(table: Columns, name: str) -> Table:
    part = values_of(table, name)
    rows = [
        [spoken(value), *_share(accuracy, low, high), f"{reviews:,}"]
        for value, accuracy, low, high, reviews in zip(
            *(part[key] for key in ("value", "accuracy", "low", "high", "reviews")), strict=True
        )
    ]
    return Table(SLICES.get(name, f"By {name}"), ["", "accuracy", "95 % interval", "reviews"], rows)


def _failures(name: str, found: Mapping[str, Any]) -> Table:
    rows = [
        [
            example["expect"],
            " → ".join(number(example[key]) for key in ("probability", "changed_probability") if key in example),
            " → ".join(example[key] for key in ("text", "changed") if key in example),
        ]
        for example in found["examples"]
    ]
    caption = f"Failures: {spoken(name)}"
    return Table(caption, ["expected", "probability of positive", "text"], rows, long=True, folded=True)


def _share(share: float, low: float, high: float) -> tuple[str, str]:
    return percent(share), f"{percent(low)} to {percent(high)}"
