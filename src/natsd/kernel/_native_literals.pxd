# The table of subjects without wildcards, for the sublist.

from libc.stdint cimport uint64_t

from natsd.kernel._native_interest cimport Leaf

cdef struct Literals:
    Leaf** table  # open addressing by hash
    size_t capacity
    size_t count

cdef Leaf* literals_find(Literals* literals, bytes subject, uint64_t hash) noexcept
cdef bint literals_has(Literals* literals, const char* subject, size_t size, uint64_t hash) noexcept
cdef int literals_add(Literals* literals, Leaf* leaf) except -1
cdef void literals_drop(Literals* literals, Leaf* leaf) noexcept
cdef int literals_list(list into, Literals* literals) except -1
cdef void literals_free(Literals* literals) noexcept
