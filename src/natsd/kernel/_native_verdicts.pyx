# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The remembered answers of a permission hook: a table with one place per subject, small at first.

A place holds one subject; another that falls on it takes it over. So memory is bounded and no lookup is ever wrong.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef extern from "hash.h" nogil:
    uint64_t natsd_hash(const char* p, size_t n, uint64_t seed)

cdef enum:
    FEW_VERDICTS = 32
    MANY_VERDICTS = 4096


@cython.final
cdef class Verdicts:
    """`check(subject) -> bool`, asked once per subject. seed: the road's."""

    def __init__(self, check, uint64_t seed):
        self.check = check
        self.seed = seed

    def __dealloc__(self):
        self.clear()

    def allows(self, bytes subject not None):
        """The answer for a subject, remembered or asked for."""
        return bool(self.allowed(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject)))

    def forget(self):
        """Drop every answer."""
        self.clear()

    cdef void clear(self) noexcept:
        cdef size_t i
        for i in range(self.places):
            free(self.table[i].subject)
        free(self.table)
        self.table = NULL
        self.places = 0
        self.count = 0

    cdef int allowed(self, const char* subject, size_t n) except -1:
        cdef uint64_t hash = natsd_hash(subject, n, self.seed)
        cdef Verdict* verdict
        cdef bint answer
        if self.places:
            verdict = &self.table[hash & (self.places - 1)]
            if verdict.subject != NULL and verdict.hash == hash and verdict.size == n and memcmp(
                    verdict.subject, subject, n) == 0:
                return verdict.allowed
        answer = bool(self.check(subject[:n]))
        self.remember(subject, n, hash, answer)
        return answer

    cdef void remember(self, const char* subject, size_t n, uint64_t hash, bint answer) noexcept:
        cdef Verdict* old = self.table
        cdef Verdict* verdict
        cdef Verdict* fresh
        cdef char* name
        cdef size_t i, places, old_places = self.places
        if self.count * 2 >= self.places and self.places < MANY_VERDICTS:
            places = self.places * 4 if self.places else FEW_VERDICTS
            fresh = <Verdict*> calloc(places, sizeof(Verdict))
            if fresh == NULL:
                return
            self.table = fresh
            self.places = places
            self.count = 0
            for i in range(old_places):
                if old[i].subject != NULL:
                    verdict = &fresh[old[i].hash & (places - 1)]
                    if verdict.subject == NULL:
                        self.count += 1
                    free(verdict.subject)
                    verdict[0] = old[i]
            free(old)
        name = <char*> malloc(n if n else 1)
        if name == NULL:
            return
        memcpy(name, subject, n)
        verdict = &self.table[hash & (self.places - 1)]
        if verdict.subject == NULL:
            self.count += 1
        free(verdict.subject)
        verdict.subject = name
        verdict.size = <uint32_t> n
        verdict.hash = hash
        verdict.allowed = answer
