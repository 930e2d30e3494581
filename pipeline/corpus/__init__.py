"""From a source (archive, package, the user's files) to canonical rows."""
