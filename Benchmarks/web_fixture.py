"""Serves the web page with answers for as many tasks as asked for: what the page costs, without starting them.

    web_fixture.py PORT TASKS [hostile]

With `hostile` every name and text that people or tasks can choose would run or break something if it were taken for anything but text.
"""

import contextlib
import http.server
import json
import math
import pathlib
import sys
import time
import urllib.parse

PAGE = pathlib.Path(__file__).resolve().parent.parent / "Sources/CWebPage/page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
START = time.time()
GIB = 1 << 30
IMAGES = ["//web:app", "//org:base", "//db:postgres", "registry.example/team/worker:3", "//batch:encode"]
HOSTILE = "<script>window.broken=1</script><img src=x onerror=window.broken=1>\"'\n\u202e🦊&amp;`${1}"
hostile = False


def free(text, number=0):
    """A name that is free, or with `hostile` one that would do harm."""
    return f"{HOSTILE}/%2e%2e/{number}" if hostile else text


def name(number):
    return free(plain(number), number)


def plain(number):
    return f"{['web', 'db', 'worker', 'encode', 'cache', 'proxy'][number % 6]}-{number:03}"


def stall(number, now, size):
    average = max(0, size * math.sin(now / 17 + number) ** 8)
    return {"some": {"average10": average, "average60": average / 2, "average300": average / 3,
                     "total": int(1e4 * size * (now - START - 9 * math.cos(now / 9 + number))) + 10**9}}


def task(number):
    ended = number % 23 == 7
    status = {
        "id": f"{number:012x}", "name": name(number), "image": free(IMAGES[number % 5]), "layer": f"{number % 5:064x}", "pool": free("/srv/pool"),
        "state": "exited" if ended else "restarting" if number % 41 == 9 else "running", "created": int(START) - 977 * number,
        "network": "private", "publish": ["8080:80"] if number % 6 == 0 else [], "volumes": [free("data:/srv")],
        "command": [free("/usr/bin/serve"), free("--port=80")], "limits": {}, "notEnforced": [],
        "class": "burstable", "restarts": number % 4, "address": f"10.209.0.{number % 250 + 2}",
        "paths": {"root": "", "log": "", "helper": "", "cgroups": []},
    }
    if hostile:
        status["owner"] = {"job": HOSTILE, "version": 1, "replica": number}
    if ended:
        status["exit"] = {"code": 1 if number % 2 else 0, "outOfMemory": False, "at": int(START) - 300}
        status["reason"] = HOSTILE
    if number % 6 == 0:
        status["health"] = {"started": True, "live": True, "ready": number % 4 != 0, "reason": HOSTILE}
    return status


def usage(number, now):
    wave = (1 + math.sin(now / (7 + number % 5) + number)) / 2
    return {
        "id": f"{number:012x}", "name": name(number), "class": "burstable", "at": int(now * 1000),
        "limits": {"cpu": 2000, "memory": 2 * GIB, "pids": 400, "disk": 10 * GIB},
        "cpu": {"time": int(1e6 * (now - START)), "percent": 90 * wave ** 3},
        "memory": {"current": int((number % 9 + 1) * 93e6 * (0.8 + wave / 5)), "anonymous": 0, "file": 0, "highEvents": 0, "maxEvents": 0, "kills": 0},
        "io": {"readBytes": int((now - START) * 4e5 * (number % 7) + 3e6 * math.sin(now / 5)) + 10**8,
               "writtenBytes": int((now - START) * 3e5 * (number % 5)) + 10**8, "reads": 1, "writes": 1},
        "pids": {"current": number % 30 + 1, "refused": 0}, "disk": {"used": (number % 17) * 31000000, "limit": 10 * GIB},
        "pressure": {"cpu": stall(number, now, 30), "memory": stall(number + 1, now, 5), "io": stall(number + 2, now, 12)},
    }


def host(now, tasks):
    wave = (1 + math.sin(now / 6)) / 2
    resource = lambda total, used: {"total": total, "system": total // 20, "reserved": total // 3, "committed": total // 2, "used": int(used)}
    return {
        "name": free("shelf-07"), "at": int(now * 1000), "cpu": resource(64000, 9000 + 20000 * wave), "memory": resource(512 * GIB, 190 * GIB),
        "disk": {"total": 4000 * GIB, "available": 2610 * GIB}, "overcommit": 2, "tasks": tasks, "unenforceable": [],
        "pressure": {"cpu": stall(1, now, 25), "memory": stall(2, now, 4), "io": stall(3, now, 9)},
    }


def pool(tasks):
    labels = [*(free(one) for one in ["//os:base", "//org:base", "//web:app", "//db:postgres", "//batch:encode"]), HOSTILE]
    parents = [None, 0, 1, 1, 1, 2]
    sizes = [203, 40, 61, 310, 820, 12]
    layers = [
        {"id": f"{i:064x}", "parent": None if parents[i] is None else f"{parents[i]:064x}", "label": labels[i], "names": [labels[i]],
         "created": int(START) - 86400 * (9 - i), "entries": 9000 + 1200 * i, "size": (300 + 100 * i) << 20, "own": sizes[i] << 20}
        for i in range(6)]
    entries = [{"name": name(i), "id": f"{i:012x}", "own": (i * i % 37) * 2900000, "limit": 10 * GIB, "layer": f"{i % 5:064x}"} for i in range(tasks)]
    volumes = [{"name": free(n), "id": free(n), "own": s << 20, "limit": 20 * GIB} for n, s in [("data", 3100), ("uploads", 900), ("cache", 140)]]
    used = sum(one["own"] for one in layers + entries + volumes)
    return {"path": free("/srv/pool"), "total": 4000 * GIB, "available": 4000 * GIB - used - (900 << 20), "dataUsed": used, "metadataUsed": 700 << 20,
            "quotas": True, "layers": layers, "tasks": entries, "volumes": volumes}


def devices():
    none = {"writes": 0, "reads": 0, "flushes": 0, "corruptions": 0, "generations": 0}
    found = {"data": 300 * GIB, "metadata": 2 * GIB, "readErrors": 0, "checksumErrors": 7, "verifyErrors": 0, "superblockErrors": 0, "corrected": 7, "uncorrectable": 0}
    device = lambda number, path, missing, errors: {
        "id": number, "path": path, "size": 2000 * GIB, "allocated": 900 * GIB, "isMissing": missing, "isCut": False, "errors": {**none, **errors}}
    return {
        "path": free("/srv/pool"), "uuid": "00000000-0000-0000-0000-000000000000", "total": 4000 * GIB, "available": 2610 * GIB, "healthy": False,
        "problems": [
            "device 2 is missing; replace it: dish pool replace-device 2 NEW",
            f"device 3 ({free('/dev/sdc')}) has had errors (0 on writing, 0 on reading, 0 on flushing, 7 corruptions, 0 lost writes); see if copies are intact: dish pool scrub start"],
        "devices": [device(1, free("/dev/sda"), False, {}), device(2, "", True, {}), device(3, free("/dev/sdc"), False, {"corruptions": 7})],
        "allocations": [{"kind": kind, "profile": "raid1", "size": size * GIB, "used": size * GIB // 2} for kind, size in [("data", 800), ("metadata", 12), ("system", 1)]],
        "settings": {"compression": "zstd:3", "options": ["degraded"], "scrubEvery": 604800}, "mountOptions": "rw,noatime,degraded,compress=zstd:3,subvolid=5,subvol=/",
        "scrub": {"progress": {**found, "data": 40 * GIB}, "expected": 310 * GIB}, "balance": {"isRunning": False, "expected": 90, "considered": 41, "completed": 40}, "replacement": 412,
        "lastScrub": {"started": int(START) - 86400 * 3, "ended": int(START) - 86400 * 3 + 2000, "outcome": "finished", "by": "schedule", "found": found}}


def moments(query):
    all = [{"name": "image", "kind": "image", "created": int(START) - 86400 * 9}]
    all += [{"name": f"{free('hourly')}-{i}" if i % 3 else free("before-upgrade", i), "kind": "snapshot" if i % 4 else "automatic", "created": int(START) - 86400 * 8 + 7000 * i * i} for i in range(9)]
    all.append({"name": "now", "kind": "now"})
    for i, one in enumerate(all):
        if query.get("counts") and i:
            one["changes"] = {"added": 3 * i, "changed": 41 * i, "removed": i % 2, "written": 3_100_000 * i * i, "replaced": 70_000 * i}
        if query.get("path") and i % 5:
            one["path"] = {"kind": "file", "size": 12_000 + i, "modified": int(START) - 86400 + i}
    return all


def changes(query):
    kinds = ["added", "changed", "removed"]
    found = [
        {"path": f"/var/lib/{free('app')}/{'deep/' * (i % 6)}file-{i}", "kind": kinds[i % 3], "aspects": ["content", "mode", "time"] if i % 3 == 1 else [],
         **({"newSize": 4096 * i} if i % 3 < 2 else {}), **({"oldSize": 4000 * i} if i % 3 else {})}
        for i in range(500)]
    return {"from": query["from"], "to": query["to"], "summary": {"added": 167, "changed": 567, "removed": 166, "written": 812_000_000, "replaced": 700_000_000}, "changes": found, "left": 400}


def events(tasks, now):
    words = [("created", "asked for by user 0"), ("running", "run 1"), ("ready", "its health checks succeed"), ("exited", "with code 0"),
             ("restarting", "in 1000 ms, by its restart policy (on-failure)"), ("limited", "pids: refused 3 times"), ("snapshot", HOSTILE)]
    for i in range(min(400, tasks * 2)):
        what, reason = words[i % 7]
        yield {"sequence": i + 1, "time": int((START - 4000 + 10 * i) * 1000), "kind": free("task"), "name": name(i % max(tasks, 1)),
               "id": f"{i % max(tasks, 1):012x}", "what": free(what), "reason": free(reason)}


class Handler(http.server.BaseHTTPRequestHandler):
    tasks = 0
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        now = time.time()
        alive = [i for i in range(self.tasks) if i % 23 != 7]
        if url.path == "/" or url.path.startswith("/web/"):
            file = PAGE / (url.path[5:] or "index.html")
            return self.answer(file.read_bytes(), TYPES[file.suffix])
        parts = url.path.split("/")
        match parts[2:]:
            case ["stats"]: body = {"host": host(now, len(alive)), "tasks": [usage(i, now) for i in alive]}
            case ["tasks"]: body = [task(i) for i in range(self.tasks)]
            case ["replicas"]: body = [{"name": free("shop"), "state": "updating", "version": 3, "wanted": 4, "ready": 3, "updated": 1}]
            case ["pool", "map"]: body = pool(self.tasks)
            case ["pool", "devices"]: body = devices()
            case ["timeline"]: body = moments(query)
            case ["timeline", "changes"]: body = changes(query)
            case ["tasks", _, "snapshots"]: body = [{"name": free("before-upgrade"), "created": int(START) - 2000, "isAutomatic": False}]
            case ["tasks", _, "console"]:
                count = int(now - START)
                before = int(query.get("after") or max(0, count - 60))
                body = {"cursor": str(count), "entries": [
                    {"time": time.strftime("%Y-%m-%dT%H:%M:%S.0Z", time.gmtime(START + i)), "errors": i % 11 == 0, "partial": False,
                     "text": f"\u001b[32mGET\u001b[0m /item/{i} 200 {HOSTILE if hostile or i % 13 == 0 else ''}"} for i in range(before, count)]}
            case ["events"]:
                chosen = [e for e in events(self.tasks, now) if e["sequence"] > int(query.get("since", 0)) and query.get("object", e["id"]) == e["id"]]
                return self.answer("".join(json.dumps(e) + "\n" for e in chosen).encode(), "application/x-ndjson")
            case _: return self.answer(b'{"code":"notFound","message":"no"}', "application/json", 404)
        self.answer(json.dumps(body).encode(), "application/json")

    def answer(self, body, type, status=200):
        self.send_response(status)
        for field, value in [("Content-Type", type), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY),
                             ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]:
            self.send_header(field, value)
        self.end_headers()
        # A page that is left doesn't wait for its answers.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)


if __name__ == "__main__":
    Handler.tasks = int(sys.argv[2])
    hostile = sys.argv[3:] == ["hostile"]
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
