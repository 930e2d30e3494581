"""Behaviour tests from templates, after CheckList (Ribeiro et al. 2020), and their command."""
