"""RTP (RFC 3550) and SRTP (RFC 3711, AES_CM_128_HMAC_SHA1_80) as a test's end of a call speaks them. Written for tests, on nothing of src/media: AES is
libcrypto's, the rest is here."""
import base64
import ctypes
import hmac
import secrets
import struct

SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY_OCTETS, SALT_OCTETS, TAG_OCTETS, AUTH_OCTETS = 16, 14, 10, 20
WINDOW = 128

crypto = ctypes.CDLL("libcrypto.so.3")
crypto.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
crypto.EVP_aes_128_ecb.restype = ctypes.c_void_p
crypto.EVP_EncryptInit_ex.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
crypto.EVP_EncryptUpdate.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_char_p, ctypes.c_int]
crypto.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]


class Aes:
    """AES-128 of one key, block by block."""

    def __init__(self, key):
        self.context = crypto.EVP_CIPHER_CTX_new()
        assert crypto.EVP_EncryptInit_ex(self.context, crypto.EVP_aes_128_ecb(), None, key, None) == 1

    def __del__(self):
        crypto.EVP_CIPHER_CTX_free(self.context)

    def stream(self, first, octets):
        """Key stream: encrypted counters from a number on (RFC 3711 4.1.1)."""
        counters = b"".join((first + i).to_bytes(16, "big") for i in range((octets + 15) // 16))
        out, n = ctypes.create_string_buffer(len(counters) + 16), ctypes.c_int()
        assert crypto.EVP_EncryptUpdate(self.context, out, ctypes.byref(n), counters, len(counters)) == 1
        return out.raw[:octets]


def xor(a, b):
    """Octet by octet."""
    return bytes(x ^ y for x, y in zip(a, b))


def derive(master, label, octets):
    """A session key (4.3.1)."""
    salt = int.from_bytes(master[KEY_OCTETS:], "big") ^ (label << 48)
    return Aes(master[:KEY_OCTETS]).stream(salt << 16, octets)


def rtp(ssrc, sequence, payload, payload_type=8):
    """One packet; its timestamp goes with its number."""
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xffff, sequence * 160 & 0xffffffff, ssrc) + payload


def read(packet):
    """(SSRC, sequence number, payload) of RTP without extensions."""
    _, _, sequence, _, ssrc = struct.unpack("!BBHII", packet[:12])
    return ssrc, sequence, packet[12:]


class Srtp:
    """One direction: what is sent with a key, or what comes with it."""

    def __init__(self, master=None):
        self.master = master or secrets.token_bytes(KEY_OCTETS + SALT_OCTETS)
        self.aes = Aes(derive(self.master, 0, KEY_OCTETS))
        self.auth = derive(self.master, 1, AUTH_OCTETS)
        self.salt = int.from_bytes(derive(self.master, 2, SALT_OCTETS), "big")
        self.seen = {}  # per SSRC: the highest index, and those that came

    @classmethod
    def of(cls, line):
        """From the value of a=crypto (RFC 4568): its keys begin with "inline:"."""
        return cls(base64.b64decode(line.split("inline:", 1)[1].split("|")[0].split()[0]))

    def line(self, tag=1, suite=SUITE):
        """For a=crypto."""
        return f"{tag} {suite} inline:{base64.b64encode(self.master).decode()}"

    def tag(self, packet, rollover):
        """Of a packet without one (4.2)."""
        return hmac.new(self.auth, packet + struct.pack("!I", rollover), "sha1").digest()[:TAG_OCTETS]

    def covered(self, packet, index):
        """The payload encrypted, or decrypted."""
        ssrc, _, payload = read(packet)
        return packet[:12] + xor(payload, self.aes.stream((self.salt << 16) ^ (ssrc << 64) ^ (index << 16), len(payload)))

    def protect(self, packet, rollover=0):
        """A packet as it goes out."""
        covered = self.covered(packet, (rollover << 16) + read(packet)[1])
        return covered + self.tag(covered, rollover)

    def unprotect(self, packet):
        """The packet in it; None: forged, or it came before."""
        covered, tag = packet[:-TAG_OCTETS], packet[-TAG_OCTETS:]
        if len(covered) < 12:
            return None
        ssrc, sequence, _ = read(covered)
        highest, came = self.seen.setdefault(ssrc, [sequence, set()])
        rollover = max(0, (highest + 0x8000 - sequence) >> 16)
        index = (rollover << 16) + sequence
        if not hmac.compare_digest(tag, self.tag(covered, rollover)) or index in came or index + WINDOW <= highest:
            return None
        came.add(index)
        self.seen[ssrc][0] = max(highest, index)
        return self.covered(covered, index)


def check():
    """The vectors of RFC 3711 B.2 and B.3, and the packet that libsrtp tests itself with."""
    stream = Aes(bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")).stream(int("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", 16), 48)
    assert stream.hex().upper() == "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
    srtp = Srtp(bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6"))
    assert derive(srtp.master, 0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(srtp.master, 1, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"
    assert srtp.salt == int("30CBBC08863D8C85D49DB34A9AE1", 16)
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    covered = srtp.protect(plain)
    assert covered.hex() == "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb", covered.hex()
    assert srtp.unprotect(covered) == plain and srtp.unprotect(covered) is None
    assert srtp.unprotect(covered[:-1] + bytes([covered[-1] ^ 1])) is None


if __name__ == "__main__":
    check()
