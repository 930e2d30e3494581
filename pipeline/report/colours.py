"""Colours of all figures, in light and in dark.

They are those of Okabe & Ito, which people with a colour vision deficiency can tell apart. Figures are drawn in the
light ones; the report shows the dark ones to readers who prefer dark pages.
"""

MODEL_COLOUR, BASELINE_COLOUR, GUESS_COLOUR = "#0072b2", "#d55e00", "#999999"
FIRST_COLOUR, SECOND_COLOUR = "#e69f00", "#0072b2"
"""Colours of the first and the second of two classes, and of wrong and right answers."""
CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#1c1c1e")
"""Colours of classes that have a line each, beside the model's own colour."""
TEXT_COLOUR, MUTED_COLOUR, GRID_COLOUR, BACKGROUND = "#1c1c1e", "#555555", "#e6e6e6", "#ffffff"

DARK = {
    **{MODEL_COLOUR: "#5aa9e6", BASELINE_COLOUR: "#f08a4b", "#56b4e9": "#b8e1f7", "#009e73": "#35c79a"},
    **{TEXT_COLOUR: "#e8e9eb", MUTED_COLOUR: "#a3a8b0", GRID_COLOUR: "#32363d", BACKGROUND: "#16181c"},
}
"""Dark variants of the colours that have one."""
