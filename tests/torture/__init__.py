"""Torture: processes that are killed, frozen and cut off from a server that crashes, and a judge of what they wrote down.

    producers, readers, leasers, workers, keepers      adversary
      |  each its own journal, fsync'd                   |  kills, freezes, crashes, cuts
      v                                                  v
    PostgreSQL with our schema  --- quiet point --->  final state
                                                        |
    journals + final state  --->  facts  --->  rules (I1 to I15)  --->  violations

`python -m tests.torture` (see `--help`) plays rounds until enough was killed; `--mutants` shows that the rules find seeded bugs.
"""
