# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A block of S2 and the checksum of its frames; _plain_s2.py says what they are."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

MOST_BYTES = 4 << 20
CHECK_BYTES = 4
cdef uint32_t tables[8][256]
cdef int64_t repeats[3]
repeats[:] = [4, 256, 65536]


cdef void prepare() noexcept:
    cdef uint32_t value, at, bit
    for at in range(256):
        value = at
        for bit in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        tables[0][at] = value
    for at in range(256):
        for bit in range(1, 8):
            value = tables[bit - 1][at]
            tables[bit][at] = (value >> 8) ^ tables[0][value & 255]


prepare()


cdef inline int64_t number(const uint8_t* at, int64_t width) noexcept:
    cdef int64_t value = 0, i
    for i in range(width):
        value |= (<int64_t> at[i]) << (8 * i)
    return value


cdef int fill(const uint8_t* block, int64_t at, int64_t end, uint8_t* out, int64_t size) noexcept:
    """0: well; 1: it ends within an element; 2: a literal, 3: a copy that cannot be; 4: too short."""
    cdef int64_t have = 0, offset = 0, length, near, width, i
    cdef uint8_t tag, kind
    while at < end:
        tag = block[at]
        at += 1
        kind = tag & 3
        length = tag >> 2
        if kind == 0:
            if length >= 60:
                width = length - 59
                if width > end - at:
                    return 1
                length = number(block + at, width)
                at += width
            length += 1
            if length > end - at or length > size - have:
                return 2
            memcpy(out + have, block + at, length)
            have += length
            at += length
            continue
        if kind == 1:
            length &= 7
            if at >= end:
                return 1
            near = (<int64_t> (tag & 0xE0)) << 3 | block[at]
            at += 1
            if near:
                offset = near
            elif length >= 5:
                width = length - 4
                if width > end - at:
                    return 1
                length = number(block + at, width) + repeats[length - 5]
                at += width
            length += 4
        else:
            width = 2 if kind == 2 else 4
            if width > end - at:
                return 1
            offset = number(block + at, width)
            at += width
            length += 1
        if offset <= 0 or offset > have or length > size - have:
            return 3
        if offset >= length:
            memcpy(out + have, out + have - offset, length)
        else:
            for i in range(length):
                out[have + i] = out[have + i - offset]
        have += length
    return 0 if have == size else 4


cdef bytes unpack(bytes block):
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(block)
    cdef int64_t end = len(block), size = 0, at = 0
    cdef int wrong
    while True:
        if at >= end:
            raise ValueError("it ends within an element")
        size |= (<int64_t> (data[at] & 127)) << (7 * at)
        at += 1
        if data[at - 1] < 128:
            break
        if at == 5:
            raise ValueError("it is longer than any may be")
    if size > <int64_t> MOST_BYTES:
        raise ValueError("it is longer than any may be")
    out = PyBytes_FromStringAndSize(NULL, size)
    wrong = fill(data, at, end, <uint8_t*> PyBytes_AS_STRING(out), size)
    if wrong == 1:
        raise ValueError("it ends within an element")
    if wrong == 2:
        raise ValueError("a literal is longer than there is room for")
    if wrong == 3:
        raise ValueError("a copy reaches outside")
    if wrong:
        raise ValueError("it is shorter than it should be")
    return out


cdef class Unpacking:
    """Unpacks the body of a chunk in one turn."""

    cdef bytes _body
    cdef bint _packed

    def __init__(self, bytes body not None, bint packed):
        self._body = body
        self._packed = packed

    def run(self):
        """What the chunk stands for. Raises ValueError where it is none."""
        block = self._body[CHECK_BYTES:]
        if self._packed:
            block = unpack(block)
        if block_checksum(block) != int.from_bytes(self._body[:CHECK_BYTES], "little"):
            raise ValueError("its checksum does not match")
        return block


def block_checksum(bytes data not None):
    """CRC-32C, masked as the frames have it."""
    cdef const uint8_t* at = <const uint8_t*> PyBytes_AS_STRING(data)
    cdef int64_t n = len(data)
    cdef uint32_t crc = 0xFFFFFFFF
    cdef uint64_t word
    while n >= 8:
        # Byte by byte, so that the order of the machine's own words does not matter.
        word = (<uint64_t> at[0] | <uint64_t> at[1] << 8 | <uint64_t> at[2] << 16 | <uint64_t> at[3] << 24) ^ crc
        crc = (
            tables[7][word & 255] ^ tables[6][(word >> 8) & 255] ^ tables[5][(word >> 16) & 255]
            ^ tables[4][(word >> 24) & 255] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]]
        )
        at += 8
        n -= 8
    while n:
        crc = tables[0][(crc ^ at[0]) & 255] ^ (crc >> 8)
        at += 1
        n -= 1
    crc = ~crc
    return <uint32_t> ((crc >> 15 | crc << 17) + 0xA282EAD8U)
