"""Logs that lie elsewhere: in a database, an object store or a lake. They are copied, not read in place."""
