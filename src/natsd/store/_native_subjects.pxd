# The subjects of one stream, and what matches them, for the native index.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject

cdef extern from "hash.h" nogil:
    uint64_t natsd_hash(const char* p, size_t n, uint64_t seed)

cdef struct Row:  # one literal subject that has messages
    PyObject* name  # bytes, owned; NULL: nobody's
    uint64_t hash
    uint64_t count
    uint64_t first
    uint64_t last
    void** filters  # that match it; where it is one only, that itself
    uint32_t nfilters
    uint32_t next_free

cdef struct Slot:
    uint32_t tag  # the low half of the hash
    uint32_t row

cdef struct Subjects:
    Row* rows
    uint32_t nrows  # ever used
    uint32_t capacity
    uint32_t count
    uint32_t free
    Slot* slots  # open addressing
    size_t mask
    uint64_t seed

cdef class Patterns:
    cdef readonly tuple key
    cdef readonly bint everything
    cdef readonly set words
    cdef readonly list wildcards
    cdef dict tree  # of many wildcards
    cdef bint matches(self, bytes subject) except -1

cdef int subjects_begin(Subjects* subjects) except -1
cdef uint32_t subjects_add(Subjects* subjects, bytes name, uint64_t hash) except? 0
cdef void subjects_drop(Subjects* subjects, uint32_t row) noexcept
cdef void subjects_free(Subjects* subjects) noexcept
cdef int row_join(Row* row, void* wanted) except -1
cdef void row_leave(Row* row, void* wanted) noexcept
cdef bytes start_of(bytes pattern)
cdef bint pattern_matches(const char* pattern, size_t n, const char* subject, size_t size) noexcept


cdef inline void* row_filter(Row* row, uint32_t at) noexcept:
    return <void*> row.filters if row.nfilters == 1 else row.filters[at]


cdef inline uint32_t subjects_find(Subjects* subjects, const char* name, size_t size, uint64_t hash) noexcept:
    """The row of a subject, the greatest number for none."""
    cdef size_t at = hash & subjects.mask
    cdef Slot* slot
    cdef Row* row
    while True:
        slot = &subjects.slots[at]
        if slot.row == <uint32_t> 0xFFFFFFFF:
            return slot.row
        if slot.tag == <uint32_t> hash:
            row = &subjects.rows[slot.row]
            if row.hash == hash and <size_t> PyBytes_GET_SIZE(<object> row.name) == size and memcmp(
                    PyBytes_AS_STRING(<object> row.name), name, size) == 0:
                return slot.row
        at = (at + 1) & subjects.mask
