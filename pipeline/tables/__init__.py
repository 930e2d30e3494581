"""Users' tables, in and out: CSV, TSV, JSON, text, Parquet and XLSX, read by one reader; columns and label values."""
