# Records as they lie in memory, for whoever reads many of them.

from libc.stdint cimport uint8_t, uint32_t, int64_t, uint64_t

from natsd.store._native_log cimport EXPIRES, FIXED, PACKED, WATERMARK, Fixed, natsd_crc

cdef enum:
    MOST_TIMES = 32  # no block of packed bytes stands for more times its own length
    LENGTH_BYTES = 5


cdef inline int64_t unpacked(const uint8_t* block, size_t n) noexcept:
    """As `compression.unpacked_bytes`."""
    cdef uint64_t length = 0
    cdef size_t i
    for i in range(min(n, <size_t> LENGTH_BYTES)):
        length |= <uint64_t> (block[i] & 127) << 7 * i
        if block[i] < 128:
            return <int64_t> length if length <= MOST_TIMES * n else -1
    return -1


cdef inline int64_t saved_by(const Fixed* fixed) noexcept:
    """How much longer a record that validates would be unpacked."""
    cdef size_t used, left
    if not fixed.flags & PACKED:
        return 0
    used = FIXED + fixed.subject + fixed.header
    used += (8 if fixed.flags & WATERMARK else 0) + (8 if fixed.flags & EXPIRES else 0)
    left = fixed.length - used
    return unpacked(<const uint8_t*> fixed + used, left) - <int64_t> left


cdef inline bint whole(const char* at, size_t left, uint32_t seed) noexcept:
    """Does a record begin there, with room for all that it says it has?"""
    cdef const Fixed* fixed = <const Fixed*> at
    cdef uint64_t least
    if left < FIXED:
        return False
    least = (<uint64_t> FIXED + fixed.subject + fixed.header + (8 if fixed.flags & WATERMARK else 0)
             + (8 if fixed.flags & EXPIRES else 0))
    if not least <= fixed.length <= left or natsd_crc(seed, at + 4, fixed.length - 4) != fixed.crc:
        return False
    return not fixed.flags & PACKED or unpacked(<const uint8_t*> at + least, fixed.length - least) >= 0
