"""Everything that recommends, behind one interface: the towers, the index, the baselines."""
