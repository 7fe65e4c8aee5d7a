# A consumer's place in a stream, for the native index.

from libc.stdint cimport uint32_t, uint64_t

from natsd.store._native_filter cimport Filter, Spot
from natsd.store._native_ledger cimport Ledger

cdef struct Found:
    uint64_t seq
    uint64_t position
    uint32_t length
    uint32_t subject

cdef class Cursor:
    cdef Ledger index
    cdef Filter wanted
    cdef Spot spot
    cdef uint64_t hint  # the next message of its one subject, 0 where it is not known
    cdef int move(self, uint64_t seq) except -1
    cdef Py_ssize_t gather(self, uint64_t limit, Py_ssize_t most, uint64_t max_bytes, Found* found, bint* more) except -1
