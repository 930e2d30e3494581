"""A prediction explained word by word, and its command."""
