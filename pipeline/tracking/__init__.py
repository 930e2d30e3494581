"""MLflow runs: the store, one run for each training, what it was made from, and an outbox for outages."""

import os

# Read once, when mlflow is imported: keep its progress notes off the terminal and send no usage statistics.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Read at each call, so it replaces what the user has set: a call that returns before the store has taken a value loses
# it if the store is away, and the outbox would take it for sent.
os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = "false"
