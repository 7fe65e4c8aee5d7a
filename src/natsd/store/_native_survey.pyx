# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=False
"""Native form of `_plain_survey`."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from natsd.store._native_log cimport (
    FIXED, MESSAGE, WATERMARK, Fixed, natsd_crc, natsd_crc_prepare, natsd_crc_shift, seed_of
)
from natsd.store._native_whole cimport whole

cdef enum:
    BLOCK_BITS = 12
    ERASED = 14
    CHECKPOINT = 18
    ENDED = 20

natsd_crc_prepare()


def skip_run(data, size_t at, size_t stop, uint64_t segment, uint32_t salt, uint32_t stream):
    """Pass the messages of a stream that follow each other from data[at] on. Returns where something else is, or what
    does not validate."""
    cdef const uint8_t[::1] view = data
    cdef const char* base
    cdef const Fixed* fixed
    stop = min(stop, <size_t> view.shape[0])
    if at >= stop:
        return at
    base = <const char*> &view[0]
    while at + FIXED <= stop:
        fixed = <const Fixed*> (base + at)
        if fixed.kind != MESSAGE or fixed.stream != stream:
            break
        if not whole(base + at, stop - at, seed_of(segment << 32 | at, salt)):
            break
        at += fixed.length
    return at


cdef struct Looking:  # for records among bytes that anybody may have written, such as those of a file used again
    const char* base
    size_t stop
    uint64_t segment
    uint32_t salt
    uint32_t* sums  # of all before each block; NULL until there is a record to look at that is long


cdef uint32_t sum_below(Looking* looking, size_t at) noexcept:
    return natsd_crc(looking.sums[at >> BLOCK_BITS], looking.base + (at >> BLOCK_BITS << BLOCK_BITS),
                     at & ((1 << BLOCK_BITS) - 1))


cdef bint begins(Looking* looking, size_t at) except -1:
    """As `whole`; what is long is not read for it each time anew: who wrote it may have meant us to do that."""
    cdef const Fixed* fixed = <const Fixed*> (looking.base + at)
    cdef size_t block, blocks, end
    cdef uint32_t seed = seed_of(looking.segment << 32 | at, looking.salt)
    if fixed.length <= 2 << BLOCK_BITS or looking.stop - at < fixed.length:
        return whole(looking.base + at, looking.stop - at, seed)
    if looking.sums == NULL:
        blocks = looking.stop >> BLOCK_BITS
        looking.sums = <uint32_t*> malloc((blocks + 1) * sizeof(uint32_t))
        if looking.sums == NULL:
            raise MemoryError("no memory to open the store with")
        looking.sums[0] = 0
        for block in range(blocks):
            looking.sums[block + 1] = natsd_crc(
                looking.sums[block], looking.base + (block << BLOCK_BITS), 1 << BLOCK_BITS)
    end = at + fixed.length
    if sum_below(looking, end) ^ natsd_crc_shift(
            sum_below(looking, at + 4) ^ seed, fixed.length - 4) != fixed.crc:
        return False
    return whole(looking.base + at, looking.stop - at, seed)


cdef inline bint may_begin(const Fixed* fixed) noexcept:
    return fixed.kind != 0 and (fixed.kind <= ERASED or CHECKPOINT <= fixed.kind <= ENDED) and fixed.extra == 0


def survey(data, size_t at, uint64_t segment, uint32_t salt):
    """The highest watermark of the records from data[at] on, whatever lies between them, where ERASED and CHECKPOINT
    ones are, and where the first bytes are that do not validate."""
    cdef const uint8_t[::1] view = data
    cdef Looking looking
    cdef const Fixed* fixed
    cdef size_t stop = view.shape[0]
    cdef uint64_t highest = 0, watermark
    cdef list marked = []
    cdef size_t gap = stop
    if at >= stop:
        return highest, marked, at
    looking = Looking(<const char*> &view[0], stop, segment, salt, NULL)
    try:
        while at + FIXED <= stop:
            fixed = <const Fixed*> (looking.base + at)
            if not may_begin(fixed) or not begins(&looking, at):
                gap = min(gap, at)
                at += 1
                continue
            if fixed.flags & WATERMARK:
                memcpy(&watermark, looking.base + at + FIXED, 8)
                highest = max(highest, watermark)
            if fixed.kind == ERASED or fixed.kind == CHECKPOINT:
                marked.append(at)
            at += fixed.length
    finally:
        free(looking.sums)
    return highest, marked, min(gap, at)


def next_record(data, size_t at, size_t stop, uint64_t segment, uint32_t salt):
    """Where the next record that validates begins, and ends before `stop`; -1 for none."""
    cdef const uint8_t[::1] view = data
    cdef Looking looking
    stop = min(stop, <size_t> view.shape[0])
    if at >= stop:
        return -1
    looking = Looking(<const char*> &view[0], stop, segment, salt, NULL)
    try:
        while at + FIXED <= stop:
            if may_begin(<const Fixed*> (looking.base + at)) and begins(&looking, at):
                return at
            at += 1
    finally:
        free(looking.sums)
    return -1
