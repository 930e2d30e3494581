"""HTML pages that open offline: base template, style, rendering."""
