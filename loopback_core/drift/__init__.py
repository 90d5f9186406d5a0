"""What changed since the bundle in service was made: the log, its past, and the model.

`data_drift` compares the last weeks of a log with the weeks before them, and its past with the log of the bundle in service.
`model_drift` compares the two bundles. Thresholds of weeks come from the log's own past (`week_limits.py`).
"""
