"""A model judged on any labelled file, beside another model if one is named, and its command."""
