"""Onboarding: from a stranger's files or database to a shop that runs, asking nothing and saying what is uncertain."""
