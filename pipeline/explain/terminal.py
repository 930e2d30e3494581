"""Format an explanation as lines of text, with or without colours."""

from itertools import pairwise

from pipeline.explain.explainer import Explanation
from pipeline.explain.words import Word
from pipeline.report.formatting import printable

BARS = "▁▂▃▄▅▆▇█"
SLIGHT = 0.05
"""Smallest attribution that is marked, as a share of the largest one."""
# Background colours of the 256-colour palette, from faint to strong. People with colour blindness can tell blue and
# orange apart.
ABOVE_PALETTE, BELOW_PALETTE = (153, 75, 32), (223, 215, 172)
RESET = "\x1b[0m"


def as_text(explanation: Explanation, colour: bool) -> str:
    """Return the prediction, the words with their attributions, the probability after each word, and their sum."""
    label, probability, _ = explanation.predictions[-1]
    lines = [f"{label}\t{probability:.4f}", "", _sentence(explanation, colour), ""]
    if explanation.left_out:
        lines += [f"({explanation.words_left_out})", ""]
    lines += [f"probability of {explanation.explained} after each word", *_running(explanation), ""]
    quantity = explanation.target.quantity
    lines.append(f"{explanation.baseline:.4f} if every word were unknown; from there the words add to {quantity}:")
    lines += [f"  {value:+.2f}  {_bracketed(word)}" for word, value in _strongest(explanation)]
    added, moved = f"{explanation.sum:+.3f}", f"{explanation.change:+.3f}"
    if explanation.left_out_attribution:
        lines.append(f"  {explanation.left_out_attribution:+.2f}  the words left out, by their n-grams")
    lines.append(f"all words together {added}, the prediction moved by {moved}")
    if not explanation.exact:
        lines.append("the two differ by more than a hundredth: the numbers of the words are rough")
    elif added != moved:
        lines.append(f"the difference, {explanation.error:+.3f}, is the error of the numerical integration")
    if any(not word.known for word in explanation.words):
        lines.append("[in brackets]: words the model does not know")
    return "\n".join(lines)


def _sentence(explanation: Explanation, colour: bool) -> str:
    largest = max(abs(explanation.total).max(), 1e-9)
    parts = []
    for word, value in zip(explanation.words, explanation.total, strict=True):
        text, share = _bracketed(word), abs(value) / largest
        if share >= SLIGHT and colour:
            palette = ABOVE_PALETTE if value > 0 else BELOW_PALETTE
            text = f"\x1b[30;48;5;{palette[min(2, int(share * 3))]}m{text}{RESET}"
        elif share >= SLIGHT:
            text = f"{text}({value:+.2f})"
        parts.append(printable(word.before) + text)
    return "".join(parts)


def _running(explanation: Explanation) -> list[str]:
    bars = "".join(BARS[min(7, int(p * 8))] for p in explanation.running)
    turns = []
    for (before, after), word in zip(
        pairwise([explanation.unread, *explanation.predictions]), explanation.words, strict=True
    ):
        if before.label != after.label:
            number = f"{after.probabilities[explanation.target.class_index]:.2f}"
            if len(explanation.classes) > 2 and after.label != explanation.explained:
                number = f"{explanation.explained} {number}"
            turns.append(f"{after.label} from {_bracketed(word)!r} on ({number})")
    return [*(f"  {bars[start : start + 80]}" for start in range(0, len(bars), 80)), *(f"  {turn}" for turn in turns)]


def _strongest(explanation: Explanation) -> list[tuple[Word, float]]:
    order = abs(explanation.total).argsort()[::-1][:5]
    return [(explanation.words[index], float(explanation.total[index])) for index in order]


def _bracketed(word: Word) -> str:
    """Return a word; in brackets if the model does not know it."""
    text = printable(word.text)
    return text if word.known else f"[{text}]"
