"""The evaluation step, the report with its pictures, and the tables of documents."""
