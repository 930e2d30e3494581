"""The one exception a user of the pipeline is meant to read."""


class PipelineError(Exception):
    """Something the user can put right: one line that names the thing, what is wrong and what to do."""
