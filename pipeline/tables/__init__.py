"""Users' tables, in and out: CSV, TSV, JSONL, text and Parquet; columns and label values."""
