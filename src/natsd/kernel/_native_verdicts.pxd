# What the scanner sees of the permission verdicts.

from libc.stdint cimport uint32_t, uint64_t

cdef struct Verdict:
    uint64_t hash
    uint32_t size
    bint allowed
    char* subject

cdef class Verdicts:
    cdef object check
    cdef uint64_t seed
    cdef Verdict* table
    cdef size_t places
    cdef uint32_t victim

    cdef int allowed(self, const char* subject, size_t n) except -1
    cdef Verdict* place(self, uint64_t hash) noexcept
    cdef bint grow(self) noexcept
    cdef void remember(self, const char* subject, size_t n, uint64_t hash, bint answer) noexcept
    cdef void clear(self) noexcept
