"""Descriptors and completion records as bytes, made here and not by the project's own code."""

import base64
import struct

NO_OP, MEMORY_MOVE, CRC_GENERATION = 0x00, 0x03, 0x10
RECORD_WANTED = 0x0C
SUCCESS = 0x01


def descriptor(operation, record, source=0, destination=0, size=0):
    """The 64 bytes, in base64: flags for a completion record at `record`."""
    data = struct.pack(
        "<IIQQQIHH24x", 0, operation << 24 | RECORD_WANTED, record, source, destination, size, 0, 0)
    return base64.b64encode(data).decode()


def crc32c(data):
    """CRC32C, bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def encode(data):
    return base64.b64encode(data).decode()


def decode(text):
    return base64.b64decode(text, validate=True)
