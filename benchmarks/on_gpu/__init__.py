"""What benchmarks/gpu.py does, a section a file. A section has `run(work)` and returns what it found.

It notes what it has found so far by `work.note`, so that a crash or the end of the time loses nothing.
"""
