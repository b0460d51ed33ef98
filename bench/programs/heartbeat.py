"""Beats every millisecond; writes the time of each beat (CLOCK_MONOTONIC, ns) to the file that it is given."""
import os
import sys
import time

os.closerange(3, 1024)
data = [str(i) * 10 for i in range(20000)]
beats = open(sys.argv[1], "a", buffering=1)
while True:
    beats.write(f"{time.monotonic_ns()}\n")
    time.sleep(0.001)
