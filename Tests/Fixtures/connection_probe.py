#!/usr/bin/env python3
"""Servers and clients of networks under test.

connection_probe.py serve PORT NAME              answers NAME to every TCP connection and UDP packet
connection_probe.py udp ADDRESS PORT FILE        sends on from one socket, writes each answer to FILE
connection_probe.py http FILE [ADDRESS PORT]...  asks each address again and again, writes to FILE: address port start end outcome

All go on until they are killed. Times are of the monotonic clock, in milliseconds.
"""

import socket
import sys
import threading
import time


def now():
    return time.monotonic_ns() // 1_000_000


def serve(port, name):
    stream = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    packets = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    packets.bind(("::", port))

    def answer():
        while True:
            _, sender = packets.recvfrom(2048)
            packets.sendto(name.encode(), sender)

    threading.Thread(target=answer, daemon=True).start()
    while True:
        connection, _ = stream.accept()
        with connection:
            connection.sendall(name.encode())


def udp(address, port, path):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sender = socket.socket(family, socket.SOCK_DGRAM)
    # One port for all time: to the kernel that is one connection.
    sender.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
    sender.settimeout(0.05)
    with open(path, "w", buffering=1) as file:
        while True:
            try:
                sender.sendto(b"?", (address, port))
                file.write(sender.recvfrom(2048)[0].decode() + "\n")
            except OSError:
                file.write("-\n")
            time.sleep(0.02)


def http(path, targets):
    lock = threading.Lock()
    with open(path, "w", buffering=1) as file:
        def ask(address, port):
            while True:
                start = now()
                try:
                    with socket.create_connection((address, port), timeout=5) as connection:
                        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                        outcome = "ok" if connection.recv(64) else "closed"
                except OSError as error:
                    outcome = str(error).replace(" ", "_") or type(error).__name__
                with lock:
                    file.write(f"{address} {port} {start} {now()} {outcome}\n")
                time.sleep(0.02)

        threads = [threading.Thread(target=ask, args=target) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main():
    what, *rest = sys.argv[1:]
    if what == "serve":
        serve(int(rest[0]), rest[1])
    elif what == "udp":
        udp(rest[0], int(rest[1]), rest[2])
    else:
        http(rest[0], [(rest[index], int(rest[index + 1])) for index in range(1, len(rest), 2)])


main()
