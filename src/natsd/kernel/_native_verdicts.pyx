# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The remembered answers of a permission hook: a table with a few places per subject, small at first.

It grows when a subject finds its places taken; a full-grown one lets it take one of them over. So memory is bounded and
no lookup is ever wrong.
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
    MANY_VERDICTS = 8192
    WAYS = 4  # places next to each other where a subject may stand


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

    cdef int allowed(self, const char* subject, size_t n) except -1:
        cdef uint64_t hash = natsd_hash(subject, n, self.seed)
        cdef Verdict* verdict
        cdef size_t i
        cdef bint answer
        if self.places:
            for i in range(WAYS):
                verdict = &self.table[(hash + i) & (self.places - 1)]
                if verdict.hash == hash and verdict.subject != NULL and verdict.size == n and memcmp(
                        verdict.subject, subject, n) == 0:
                    return verdict.allowed
        answer = bool(self.check(subject[:n]))
        self.remember(subject, n, hash, answer)
        return answer

    cdef Verdict* place(self, uint64_t hash) noexcept:
        """A free place for a hash; NULL where all of its places are taken."""
        cdef Verdict* verdict
        cdef size_t i
        for i in range(WAYS):
            verdict = &self.table[(hash + i) & (self.places - 1)]
            if verdict.subject == NULL:
                return verdict
        return NULL

    cdef bint grow(self) noexcept:
        """A table four times as large; what finds no place there is asked for again."""
        cdef Verdict* old = self.table
        cdef Verdict* verdict
        cdef size_t i, old_places = self.places
        cdef size_t places = old_places * 4 if old_places else FEW_VERDICTS
        cdef Verdict* fresh = <Verdict*> calloc(places, sizeof(Verdict))
        if fresh == NULL:
            return False
        self.table = fresh
        self.places = places
        for i in range(old_places):
            if old[i].subject != NULL:
                verdict = self.place(old[i].hash)
                if verdict == NULL:
                    free(old[i].subject)
                else:
                    verdict[0] = old[i]
        free(old)
        return True

    cdef void remember(self, const char* subject, size_t n, uint64_t hash, bint answer) noexcept:
        cdef Verdict* verdict = self.place(hash) if self.places else NULL
        cdef char* name
        if verdict == NULL and self.places < MANY_VERDICTS and self.grow():
            verdict = self.place(hash)
        if verdict == NULL:
            if self.places == 0:
                return
            self.victim += 1
            verdict = &self.table[(hash + self.victim % WAYS) & (self.places - 1)]
        name = <char*> malloc(n if n else 1)
        if name == NULL:
            return
        memcpy(name, subject, n)
        free(verdict.subject)
        verdict.subject = name
        verdict.size = <uint32_t> n
        verdict.hash = hash
        verdict.allowed = answer
