"""An answer explained word by word, and its command."""
