# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""When messages end by themselves: a heap that is cleared of those that went when there are too many of them."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef inline bint sooner(Deadline* a, Deadline* b) noexcept:
    return a.time_ns < b.time_ns or (a.time_ns == b.time_ns and a.seq < b.seq)


cdef void sift(Deadline* heap, size_t n, size_t at) noexcept:
    cdef Deadline moved
    cdef size_t down
    if at >= n:
        return
    moved = heap[at]
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        if down + 1 < n and sooner(&heap[down + 1], &heap[down]):
            down += 1
        if not sooner(&heap[down], &moved):
            break
        heap[at] = heap[down]
        at = down
    heap[at] = moved


cdef int deadlines_add(Deadlines* deadlines, int64_t time_ns, uint64_t seq) except -1:
    cdef size_t capacity, at, up
    cdef Deadline* items
    cdef Deadline fresh
    if deadlines.n == deadlines.capacity:
        capacity = deadlines.capacity * 2 if deadlines.capacity else 16
        items = <Deadline*> realloc(deadlines.items, capacity * sizeof(Deadline))
        if items == NULL:
            raise MemoryError("no memory for the end of a message")
        deadlines.items = items
        deadlines.capacity = capacity
    fresh.time_ns = time_ns
    fresh.seq = seq
    at = deadlines.n
    deadlines.n += 1
    while at:
        up = (at - 1) >> 1
        if not sooner(&fresh, &deadlines.items[up]):
            break
        deadlines.items[at] = deadlines.items[up]
        at = up
    deadlines.items[at] = fresh
    return 0


cdef void deadlines_drop(Deadlines* deadlines) noexcept:
    deadlines.n -= 1
    deadlines.items[0] = deadlines.items[deadlines.n]
    sift(deadlines.items, deadlines.n, 0)


cdef void deadlines_keep(Deadlines* deadlines, size_t n) noexcept:
    """Only the first n items are wanted still, in whatever order they are."""
    cdef size_t left = n
    deadlines.n = n
    while left:
        left -= 1
        sift(deadlines.items, n, left)


cdef void deadlines_free(Deadlines* deadlines) noexcept:
    free(deadlines.items)
    memset(deadlines, 0, sizeof(Deadlines))
