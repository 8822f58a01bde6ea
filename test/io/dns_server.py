"""A DNS server on a port of the loopback interface, over UDP and TCP, for a zone of a few lines:

    four.test 100 A 192.0.2.1
    _sip._tcp.srv.test 60 SRV 10 20 5060 four.test
    naptr.test 70 NAPTR 10 20 s SIP+D2T _sip._tcp.srv.test
"""
import socket
import struct
import threading

A, CNAME, SOA, AAAA, SRV, NAPTR = 1, 5, 6, 28, 33, 35
KINDS = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "SRV": SRV, "NAPTR": NAPTR}
RESPONSE, TRUNCATED, SERVER_FAILED, NO_SUCH_NAME = 0x8180, 0x200, 2, 3


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def string(text):
    return bytes([len(text)]) + text.encode()


def data(kind, words):
    if kind == A:
        return socket.inet_pton(socket.AF_INET, words[0])
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, words[0])
    if kind == CNAME:
        return name(words[0])
    if kind == SRV:
        return struct.pack("!3H", *map(int, words[:3])) + name(words[3])
    order, preference, flags, service, replacement = words
    return struct.pack("!2H", int(order), int(preference)) + string(flags) + string(service) + string("") + name(replacement)


class Question:
    """Of one query: name in lower case, type, and its octets."""

    def __init__(self, query, over_tcp):
        self.number = struct.unpack("!H", query[:2])[0]
        self.over_tcp = over_tcp
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        self.name, self.kind = ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0]
        self.octets = query[12:at + 5]

    def reply(self, flags=RESPONSE, records=(), authority=b"", number=None):
        answers = b""
        for record in records:
            rdata = data(KINDS[record[2]], record[3:])
            owner = b"\xc0\x0c" if record[0] == self.name else name(record[0])
            answers += owner + struct.pack("!HHIH", KINDS[record[2]], 1, int(record[1]), len(rdata)) + rdata
        header = struct.pack("!6H", self.number if number is None else number, flags, 1, len(records), 1 if authority else 0, 0)
        return header + self.octets + answers + authority


class Server:
    def __init__(self, zone, address="127.0.0.1", port=0):
        """zone: text, or lists of words; it may be replaced at any time. port: 0 for any."""
        self.zone = [line.split() for line in zone.splitlines() if line.strip()] if isinstance(zone, str) else zone
        self.asked = []  # (name, type, over TCP)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        while True:  # the same port for both
            self.udp.bind((address, port))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp.bind((address, self.port))
                break
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.listen()
        self.text = f"{address}:{self.port}"
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            for reply in self.take(query, False):
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            with peer:
                length = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))[0]
                for reply in self.take(peer.recv(length, socket.MSG_WAITALL), True):
                    peer.sendall(struct.pack("!H", len(reply)) + reply)
                peer.recv(1)  # the other side closes

    def take(self, query, over_tcp):
        question = Question(query, over_tcp)
        self.asked.append((question.name, question.kind, over_tcp))
        return self.replies(question)

    def records(self, question):
        """In their order, aliases first."""
        owner, found, ends = question.name, [], False
        while not ends:
            ends = True
            for record in self.zone:
                if record[0] == owner and KINDS[record[2]] == question.kind:
                    found.append(record)
                elif record[0] == owner and record[2] == "CNAME":
                    found.append(record)
                    owner, ends = record[3], False
                    break
        return found

    def replies(self, question):
        """A list of messages: none is no answer at all."""
        return [question.reply(records=self.records(question))]
