"""The command `loopback`."""
