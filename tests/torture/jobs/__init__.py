"""Torture of jobs: workers that are killed, frozen and cut off from a server that crashes, and a judge of what they wrote down.

    eight workers (hanjul.App), each its own journal      adversary
      |  fetch, renew, run, settle                          |  kills, freezes, crashes, cuts
      v                                                     v
    PostgreSQL  <--- enqueues as they are struck ---  keeper
      |
    journals + all jobs as they ended  --->  rules  --->  violations

`make torture JOBS=100000 KILLS=1000`, or `python -m tests.torture.jobs`, plays it. Journals, adversary, link and server are
those of the torture of messages.
"""
