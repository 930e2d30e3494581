"""An explanation as lines of text, coloured where the reader's terminal shows colours."""

from itertools import pairwise

from pipeline.explain.explainer import Explanation
from pipeline.explain.words import Word

BARS = "▁▂▃▄▅▆▇█"
SLIGHT = 0.05
"""A word that adds less than this share of the strongest word's is left plain."""
# Backgrounds of the 256-colour palette from faint to strong, blue and orange, which the colour-blind tell apart.
POSITIVE, NEGATIVE = (153, 75, 32), (223, 215, 172)
RESET = "\x1b[0m"


def as_text(found: Explanation, colour: bool) -> str:
    """The verdict, the words with what they add, the probability after each word, and whether it adds up."""
    label = "positive" if found.positive else "negative"
    lines = [f"{label}\t{found.probability:.4f}", "", _sentence(found, colour), ""]
    if found.left_out:
        lines += [f"({found.left_out:,} words beyond the model's limit are left out)", ""]
    lines += ["probability of positive after each word", *_running(found), ""]
    lines.append(f"{found.baseline:.4f} with every word unknown; from there the words add to the log-odds:")
    lines += [f"  {value:+.2f}  {_shown(word)}" for word, value in _strongest(found)]
    lines.append(f"all words together {found.total.sum():+.3f}, the answer moved by {found.change:+.3f}")
    if not found.exact:
        lines.append("the two differ by more than a hundredth: take the words' numbers for rough ones")
    if any(not word.known for word in found.words):
        lines.append("[in brackets]: words the model does not know")
    return "\n".join(lines)


def _sentence(found: Explanation, colour: bool) -> str:
    largest = max(abs(found.total).max(), 1e-9)
    parts = []
    for word, value in zip(found.words, found.total, strict=True):
        text, share = _shown(word), abs(value) / largest
        if share >= SLIGHT and colour:
            palette = POSITIVE if value > 0 else NEGATIVE
            text = f"\x1b[30;48;5;{palette[min(2, int(share * 3))]}m{text}{RESET}"
        elif share >= SLIGHT:
            text = f"{text}({value:+.2f})"
        parts.append(_plain(word.before) + text)
    return "".join(parts)


def _running(found: Explanation) -> list[str]:
    bars = "".join(BARS[min(7, int(p * 8))] for p in found.running)
    turns = [
        f"{'positive' if after >= found.threshold else 'negative'} from {_shown(word)!r} on ({after:.2f})"
        for (before, after), word in zip(pairwise([found.baseline, *found.running]), found.words, strict=True)
        if (before >= found.threshold) != (after >= found.threshold)
    ]
    return [*(f"  {bars[start : start + 80]}" for start in range(0, len(bars), 80)), *(f"  {turn}" for turn in turns)]


def _strongest(found: Explanation) -> list[tuple[Word, float]]:
    order = abs(found.total).argsort()[::-1][:5]
    return [(found.words[index], float(found.total[index])) for index in order]


def _shown(word: Word) -> str:
    text = _plain(word.text)
    return text if word.known else f"[{text}]"


def _plain(text: str) -> str:
    """Without control characters, which would command the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
