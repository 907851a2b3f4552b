"""Sends frames from a task's end of its link and prints which of them reach the bridge.

Arguments: the bridge, the path of the task's network namespace, its IPv4 and IPv6 addresses, those of another task.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

bridge, namespace, own4, own6, other4, other6 = sys.argv[1:]
ALL = 3  # ETH_P_ALL
arrived = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
arrived.bind((bridge, 0))
arrived.settimeout(0.7)
descriptor = os.open(namespace, os.O_RDONLY)
if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
    raise OSError(ctypes.get_errno(), "setns")
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
link.bind(("host0", 0))
hardware = fcntl.ioctl(link, 0x8927, struct.pack("16s24x", b"host0"))[18:24]
unknown = bytes([2, 0, 0, 0, 0, 14])
false = bytes([2, 0, 0, 0, 0, 9])
everybody, group = b"\xff" * 6, bytes([0x33, 0x33, 0, 0, 0, 1])


def four(text):
    return socket.inet_aton(text)


def six(text):
    return socket.inet_pton(socket.AF_INET6, text)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(source, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, 253, 0, source, b"\xff" * 4)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(source, payload, protocol=253):
    return struct.pack("!IHBB16s16s", 0x60000000, len(payload), protocol, 255, source, six("ff02::1")) + payload


def icmp6(source, kind, target, mark):
    body = struct.pack("!BBHI16s", kind, 0, 0, 0x20000000, target) + b"\x02\x01" + hardware + mark
    return ip6(source, body, 58)


def arp(sender, address, mark):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, sender, address, everybody, four(other4)) + mark


def send(name, source, destination, kind, payload):
    mark = f"<{name}>".encode()
    link.send(destination + source + struct.pack("!H", kind) + payload(mark.ljust(32, b".")))


local6 = bytes.fromhex("fe80000000000000") + bytes([hardware[0] ^ 2]) + hardware[1:3] + b"\xff\xfe" + hardware[3:]
send("own 4", hardware, everybody, 0x0800, lambda mark: ip4(four(own4), mark))
send("own 6", hardware, group, 0x86DD, lambda mark: ip6(six(own6), mark))
send("own local 6", hardware, group, 0x86DD, lambda mark: ip6(local6, mark))
send("own arp", hardware, everybody, 0x0806, lambda mark: arp(hardware, four(own4), mark))
send("own advert", hardware, group, 0x86DD, lambda mark: icmp6(six(own6), 136, six(own6), mark))
send("own solicit", hardware, group, 0x86DD, lambda mark: icmp6(bytes(16), 135, six(own6), mark))
send("false 4", hardware, everybody, 0x0800, lambda mark: ip4(four(other4), mark))
send("false 6", hardware, group, 0x86DD, lambda mark: ip6(six(other6), mark))
send("false local 6", hardware, group, 0x86DD, lambda mark: ip6(six("fe80::1"), mark))
send("false hardware 4", false, everybody, 0x0800, lambda mark: ip4(four(own4), mark))
send("false hardware 6", false, group, 0x86DD, lambda mark: ip6(six(own6), mark))
send("false arp", hardware, everybody, 0x0806, lambda mark: arp(hardware, four(other4), mark))
send("false arp hardware", hardware, everybody, 0x0806, lambda mark: arp(false, four(own4), mark))
send("false advert", hardware, group, 0x86DD, lambda mark: icmp6(six(own6), 136, six(other6), mark))
send("router advert", hardware, group, 0x86DD, lambda mark: icmp6(local6, 134, six(own6), mark))
send("nobody 6", hardware, group, 0x86DD, lambda mark: ip6(bytes(16), mark))
send("tagged", hardware, everybody, 0x8100, lambda mark: struct.pack("!HH", 5, 0x0800) + ip4(four(own4), mark))
# The bridge's own groups, such as LLDP's: these come past the hook that all others come to.
for last in (0, 2, 3, 14, 15):
    send("link local", unknown, bytes([1, 0x80, 0xC2, 0, 0, last]), 0x88CC, lambda mark: mark)
send("other kind", hardware, everybody, 0x88B5, lambda mark: mark)

# Without any privilege: IPV6_FREEBIND.
try:
    plain = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    plain.setsockopt(socket.IPPROTO_IPV6, 78, 1)
    plain.bind((other6, 0))
    plain.sendto(b"<false freebind>", (f"ff02::1%host0", 9))
except OSError as error:
    print("freebind:", error, file=sys.stderr)

seen = []
try:
    while True:
        frame = arrived.recv(2000)
        start, end = frame.find(b"<"), frame.find(b">")
        if 0 <= start < end:
            seen.append(frame[start + 1 : end].decode(errors="replace"))
except TimeoutError:
    pass
print("\n".join(sorted(set(seen))))
