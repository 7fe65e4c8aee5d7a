# When messages end by themselves, for the native index.

from libc.stdint cimport int64_t, uint64_t

cdef struct Deadline:
    int64_t time_ns
    uint64_t seq

cdef struct Deadlines:  # a heap: the first item is the soonest
    Deadline* items
    size_t n
    size_t capacity

cdef int deadlines_add(Deadlines* deadlines, int64_t time_ns, uint64_t seq) except -1
cdef void deadlines_drop(Deadlines* deadlines) noexcept
cdef void deadlines_keep(Deadlines* deadlines, size_t n) noexcept
cdef void deadlines_free(Deadlines* deadlines) noexcept
