# What cursors with the same filters share, for the native index.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from natsd.store._native_subjects cimport Patterns

cdef enum:
    RECENT = 64  # sequences of its last messages that a filter remembers

cdef struct Spot:  # where one cursor stands
    uint64_t next
    int64_t before  # appended to the filter, but taken, or gone while it was in front
    uint64_t mark  # how many of those gone it has looked at
    uint32_t slot

cdef class Filter:
    cdef Patterns patterns
    cdef uint64_t appended  # since there is the filter
    cdef uint64_t live  # messages that match
    cdef uint64_t farthest  # a cursor may have been put here, beyond what there is
    cdef uint64_t lowest  # no cursor stands below
    cdef Spot** spots
    cdef uint32_t nspots, capacity
    cdef uint64_t* gone  # sequences that some cursors have not looked at
    cdef size_t ngone, gone_capacity
    cdef uint64_t gone_before
    cdef uint64_t* recent  # NULL for everything: there each message matches
    cdef uint64_t recent_from  # all that match from here on are in it
    cdef uint64_t** bits  # of rows that match, in pages
    cdef uint32_t nbits
    cdef uint32_t nsubjects
    cdef uint32_t only  # the row, where it is one
    cdef uint32_t swept, until  # rows below were looked at, of those there were when it began
    cdef uint32_t searches  # that bring it on

    cdef int join(self, Spot* spot) except -1
    cdef void leave(self, Spot* spot) noexcept
    cdef int admit(self, uint32_t row) except -1
    cdef void dismiss(self, uint32_t row) noexcept
    cdef void catch_up(self, Spot* spot) noexcept
    cdef void lower(self, uint64_t seq) noexcept
    cdef void look(self) noexcept
    cdef bint look_sorted(self) noexcept
    cdef void passed_by(self, uint64_t seq) noexcept
    cdef void forget_all(self) noexcept


cdef inline bint has_row(Filter wanted, uint32_t row) noexcept:
    cdef uint32_t page = row >> 12
    return page < wanted.nbits and wanted.bits[page] != NULL and (
        wanted.bits[page][(row & 4095) >> 6] >> (row & 63)) & 1


cdef inline void filter_appended(Filter wanted, uint64_t seq) noexcept:
    cdef uint64_t* place
    if wanted.recent != NULL:
        place = &wanted.recent[wanted.appended & (RECENT - 1)]
        if wanted.appended >= RECENT:
            wanted.recent_from = place[0] + 1
        place[0] = seq
    wanted.appended += 1
    wanted.live += 1
    if seq < wanted.farthest:
        wanted.passed_by(seq)


cdef inline void filter_removed(Filter wanted, uint64_t seq) noexcept:
    wanted.live -= 1
    if wanted.nspots and seq >= wanted.lowest:
        if wanted.ngone == wanted.gone_capacity:
            wanted.look()
        wanted.gone[wanted.ngone] = seq
        wanted.ngone += 1
