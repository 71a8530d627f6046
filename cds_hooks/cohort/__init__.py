"""Many patients at once: a synthetic ward, the replay of an export on two engines, what it would have cost."""
