"""How many connections to the database a task holds at most; infra/connections.py says the same."""

# Requests that work at the same time, each in a thread. Some hold one connection and take a second (log_batch
# does, no route takes a third: a test asks them all). With no more connections than threads all of them could
# wait for each other; with one to spare there is always one that goes on.
THREADS = 10
MLFLOW = THREADS + 2
WRITES = 2  # of the fast path
CHECK = 1  # asks whether the database is there

PER_TASK = MLFLOW + WRITES + CHECK
