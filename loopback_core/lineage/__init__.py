"""The lineage of retrievers, from two towers that meet in one product to several vectors on both sides: one protocol, measured."""
