"""Users' tables, in and out: CSV, TSV, JSON, text and Parquet, read by one reader; columns and label values."""
