#!/usr/bin/env python3
"""The page with 300 tasks in Chromium, and what a scrape costs the agent with so many.

First the page gets its answers from web_fixture.py, which has more to show; then it and the scrape are a real agent's with real tasks. The aims: loaded within 1 s, a
scrape within 100 ms, and no memory that grows with scrapes.
"""

import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from host import PROGRAMS, REPOSITORY, RUNTIME, host

COUNT = int(os.environ.get("COUNT", "300"))
PORT = 19392
FRAMES = """
new Promise((done) => {
  const lengths = [];
  let last = performance.now();
  const step = (now) => {
    lengths.push(now - last);
    last = now;
    scrollBy(0, 12);
    if (lengths.length < 300) requestAnimationFrame(step);
    else done(lengths.sort((a, b) => a - b));
  };
  requestAnimationFrame(step);
})
"""


def made_up():
    server = subprocess.Popen([sys.executable, REPOSITORY / "Benchmarks/web_fixture.py", str(PORT), str(COUNT)])
    try:
        time.sleep(1)
        page("made-up")
    finally:
        server.terminate()


def page(what):
    browser = subprocess.Popen(
        ["/usr/bin/python3", REPOSITORY / "Tests/Fixtures/browser.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(**step):
        browser.stdin.write(json.dumps(step) + "\n")
        browser.stdin.flush()
        answer = json.loads(browser.stdout.readline())
        assert "error" not in answer, answer
        return answer["value"]

    try:
        loads = []
        for width in (1280, 400):
            for _ in range(5):
                step(open=f"http://127.0.0.1:{PORT}/", width=width)
                assert step(wait=f"document.querySelectorAll('tbody tr').length === {COUNT}", seconds=30)
                loads.append(step(evaluate="performance.getEntriesByName('tasks-shown')[0].startTime"))
            print(f"{COUNT} {what} tasks at {width} pixels: all rows there after {statistics.median(loads[-5:]):.0f} ms (of {min(loads[-5:]):.0f} to {max(loads[-5:]):.0f})")
            frames = step(evaluate=FRAMES)
            print(f"  scrolled for 300 frames: {frames[150]:.1f} ms each, the longest {frames[-1]:.1f} ms")
        assert step(troubles=True) == []
    finally:
        browser.stdin.close()
        browser.wait()


def scrape(instance):
    def run(number):
        command = [PROGRAMS / "dish", "run", "--detach", "--name", f"many-{number}", "//web:app", "--", "/bin/sleep", "infinity"]
        subprocess.run(command, env=instance.environment, check=True, stdout=subprocess.DEVNULL)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(COUNT)))
    instance.agent.kill()
    instance.agent.wait()
    instance.start_agent("--web", str(PORT))
    while subprocess.run([PROGRAMS / "dish", "ps"], env=instance.environment, capture_output=True).returncode != 0:
        time.sleep(0.1)
    page("real")
    curl = ["curl", "--silent", "--fail", "--unix-socket", str(RUNTIME / "dishd.sock"), "--output", "/dev/null"]

    def resident():
        text = pathlib.Path(f"/proc/{instance.agent.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) * 1024

    def cpu():
        fields = pathlib.Path(f"/proc/{instance.agent.pid}/stat").read_text().rsplit(") ")[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def times(count):
        command = curl + ["--write-out", "%{time_total} %{size_download}\n", f"http://dish/metrics#[1-{count}]"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
        return [(float(line.split()[0]) * 1000, int(line.split()[1])) for line in lines if line]

    times(20)
    before, spent = resident(), cpu()
    all_times = sorted(times(500))
    print(
        f"a scrape with {COUNT} tasks: {all_times[250][0]:.1f} ms (95 % within {all_times[475][0]:.1f}), {all_times[0][1] / 1e3:.0f} kB, "
        f"{(cpu() - spent) / 500:.1f} ms of the agent's CPU; 500 of them made the agent {(resident() - before) / 1e6:+.1f} MB larger")


made_up()
with host() as instance:
    scrape(instance)
