"""The machine: memory, disk, progress, work done ahead."""
