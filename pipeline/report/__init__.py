"""The report: its page, figures, plot tables, the table in the terminal."""
