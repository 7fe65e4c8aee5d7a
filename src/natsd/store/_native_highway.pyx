# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HighwayHash with 64 bits; _plain_highway.py says what it is."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef struct Hash:
    uint64_t v0[4]
    uint64_t v1[4]
    uint64_t mul0[4]
    uint64_t mul1[4]

cdef uint64_t first[4]
cdef uint64_t second[4]
first[:] = [0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3]
second[:] = [0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377]


cdef inline uint64_t swap(uint64_t lane) noexcept:
    return lane >> 32 | lane << 32


cdef inline uint64_t load(const uint8_t* at) noexcept:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value |= <uint64_t> at[i] << (8 * i)
    return value


cdef inline void zip_lanes(uint64_t low, uint64_t high, uint64_t* target) noexcept:
    target[0] += (
        ((low & 0xFF000000U) | (high & 0xFF00000000U)) >> 24
        | ((low & 0xFF0000000000U) | (high & 0xFF000000000000U)) >> 16
        | (low & 0xFF0000U) | (low & 0xFF00U) << 32 | (high & 0xFF00000000000000U) >> 8 | low << 56
    )
    target[1] += (
        ((high & 0xFF000000U) | (low & 0xFF00000000U)) >> 24
        | (high & 0xFF0000U) | (high & 0xFF0000000000U) >> 16 | (high & 0xFF00U) << 24
        | (low & 0xFF000000000000U) >> 8 | (high & 0xFFU) << 48 | (low & 0xFF00000000000000U)
    )


cdef inline void update(Hash* h, uint64_t a, uint64_t b, uint64_t c, uint64_t d) noexcept:
    cdef uint64_t lanes[4]
    cdef int i
    lanes[0], lanes[1], lanes[2], lanes[3] = a, b, c, d
    for i in range(4):
        h.v1[i] += h.mul0[i] + lanes[i]
        h.mul0[i] ^= (h.v1[i] & 0xFFFFFFFFU) * (h.v0[i] >> 32)
        h.v0[i] += h.mul1[i]
        h.mul1[i] ^= (h.v0[i] & 0xFFFFFFFFU) * (h.v1[i] >> 32)
    zip_lanes(h.v1[0], h.v1[1], &h.v0[0])
    zip_lanes(h.v1[2], h.v1[3], &h.v0[2])
    zip_lanes(h.v0[0], h.v0[1], &h.v1[0])
    zip_lanes(h.v0[2], h.v0[3], &h.v1[2])


cdef inline uint32_t turn(uint32_t half, size_t by) noexcept:
    return half << by | half >> (32 - by)


cdef void update_rest(Hash* h, const uint8_t* rest, size_t size) noexcept:
    """size: 1 to 31."""
    cdef uint8_t packet[32]
    cdef size_t words = size & ~<size_t> 3, odd = size & 3
    cdef int i
    for i in range(4):
        h.v0[i] += (<uint64_t> size << 32) + size
        h.v1[i] = <uint64_t> turn(<uint32_t> (h.v1[i] >> 32), size) << 32 | turn(<uint32_t> h.v1[i], size)
    memset(packet, 0, 32)
    memcpy(packet, rest, words)
    if size & 16:
        memcpy(packet + 28, rest + size - 4, 4)
    elif odd:
        packet[16] = rest[words]
        packet[17] = rest[words + (odd >> 1)]
        packet[18] = rest[size - 1]
    update(h, load(packet), load(packet + 8), load(packet + 16), load(packet + 24))


def highway(bytes key not None, bytes data not None):
    """The hash of data under a key of 32 bytes, little endian. Raises ValueError for another length of the key."""
    cdef const uint8_t* at = <const uint8_t*> PyBytes_AS_STRING(key)
    cdef size_t n = len(data)
    cdef uint64_t word
    cdef uint8_t out[8]
    cdef Hash h
    cdef int i
    if len(key) != 32:
        raise ValueError("a key has 32 bytes")
    for i in range(4):
        word = load(at + 8 * i)
        h.v0[i] = first[i] ^ word
        h.v1[i] = second[i] ^ swap(word)
        h.mul0[i] = first[i]
        h.mul1[i] = second[i]
    at = <const uint8_t*> PyBytes_AS_STRING(data)
    while n >= 32:
        update(&h, load(at), load(at + 8), load(at + 16), load(at + 24))
        at += 32
        n -= 32
    if n:
        update_rest(&h, at, n)
    for i in range(4):
        update(&h, swap(h.v0[2]), swap(h.v0[3]), swap(h.v0[0]), swap(h.v0[1]))
    word = h.v0[0] + h.v1[0] + h.mul0[0] + h.mul1[0]
    for i in range(8):
        out[i] = <uint8_t> (word >> (8 * i))
    return PyBytes_FromStringAndSize(<const char*> out, 8)
