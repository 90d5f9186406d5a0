"""The Dagster side: assets, checks, jobs. Each asset reads artifacts, calls one core function and publishes."""
