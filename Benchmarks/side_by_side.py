"""Times things side by side: A B A B …, so that a machine whose speed drifts is as unfair to one as to the other."""

import statistics
import time


def measure(contestants, runs, warmup=2, pause=0, prepare={}):
    """Milliseconds of each run of each contestant, a dictionary of name and function.

    Between runs it pauses for some seconds: what one leaves for the kernel to clean up isn't billed to the next. What
    `prepare` has for a contestant is called before each of its runs, and not timed.
    """
    times = {name: [] for name in contestants}
    for run in range(warmup + runs):
        for name, body in contestants.items():
            if name in prepare:
                prepare[name]()
            time.sleep(pause)
            start = time.perf_counter()
            body()
            if run >= warmup:
                times[name].append((time.perf_counter() - start) * 1000)
    return times


def report(title, times, reference):
    """Prints each one's median and spread, and how it compares with the reference."""
    print(f"\n{title}")
    medians = {name: statistics.median(values) for name, values in times.items()}
    width = max(len(name) for name in times)
    for name, values in times.items():
        difference = medians[name] - medians[reference]
        against = "" if name == reference else f"  {medians[name] / medians[reference]:5.2f} x  {difference:+8.1f} ms"
        print(f"  {name:<{width}}  {medians[name]:8.1f} ms  ({min(values):.1f} to {max(values):.1f}){against}")
    return medians
