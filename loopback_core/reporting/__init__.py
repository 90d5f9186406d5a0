"""The report, its pictures, and the tables of the paper."""
