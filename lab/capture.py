"""What an eavesdropper reads: packets of IPv4 on the loopback interface between addresses of choice, through a packet socket of Linux. It takes the right
to capture (CAP_NET_RAW): root has it, and whoever runs in a namespace of his own.
"""
import collections
import contextlib
import fcntl
import socket
import struct
import threading
import time

ETH_P_ALL, PACKET_OUTGOING = 3, 4
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
TCP, UDP = 6, 17
QUEUE_OCTETS = 64 << 20
WAIT_SECONDS = 0.2
REST_SECONDS = 1.0

Packet = collections.namedtuple("Packet", "protocol source target payload")


def permitted():
    """Whether this process may capture."""
    try:
        with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))):
            return True
    except OSError:
        return False


def bring_up_loopback():
    """In a new network namespace it is there, but down."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def parse(frame):
    """The packet in a frame of Ethernet; None: it is none of TCP or UDP over IPv4, or it is broken."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00":
        return None
    header, protocol = 14 + (frame[14] & 15) * 4, frame[23]
    end = 14 + struct.unpack_from("!H", frame, 16)[0]
    if protocol not in (TCP, UDP) or len(frame) < header + 8:
        return None
    ports = struct.unpack_from("!HH", frame, header)
    payload = header + (8 if protocol == UDP else (frame[header + 12] >> 4) * 4)
    source, target = ((socket.inet_ntoa(frame[at:at + 4]), port) for at, port in ((26, ports[0]), (30, ports[1])))
    return Packet(protocol, source, target, frame[payload:end])


class Capture(threading.Thread):
    """Keeps what `wanted` (a function of a packet) says, from `with` to its end."""

    def __init__(self, wanted):
        super().__init__(name="capture", daemon=True)
        self.wanted, self.packets, self.done = wanted, [], threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_OCTETS)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(WAIT_SECONDS)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()
        self.socket.close()

    def run(self):
        end = None  # what was sent before the end is read, however busy the interface is with other things
        while end is None or time.monotonic() < end:
            if end is None and self.done.is_set():
                end = time.monotonic() + REST_SECONDS
            try:
                frame, origin = self.socket.recvfrom(65535)
            except TimeoutError:
                if end is not None:
                    return
                continue
            packet = parse(frame) if origin[2] == PACKET_OUTGOING else None  # of each packet on lo there are two
            if packet and packet.payload and self.wanted(packet):
                self.packets.append(packet)

    def of(self, protocol):
        """The packets of TCP or UDP."""
        return [packet for packet in self.packets if packet.protocol == protocol]
