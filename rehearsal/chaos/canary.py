"""Ways to break the client on purpose, each of which the chaos rehearsal must notice."""

# By name: a module that is run in each training process before its script.
CANARIES = {"acknowledge-before-writing": "rehearsal.chaos.late_writes"}
