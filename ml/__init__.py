"""What is likely: plain Python on Arrow and numpy. Dagster is not imported here; MLflow only in `registry`."""
