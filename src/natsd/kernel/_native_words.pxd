# The words of a control line, for the scanner.

from libc.stdint cimport int64_t

cdef enum:  # verbs
    V_PUB = 0
    V_HPUB
    V_SUB
    V_UNSUB
    V_CONNECT
    V_INFO
    V_ERR
    V_PING
    V_PONG
    V_OK

cdef struct Word:
    const char* start
    size_t size

cdef int VERB_SIZES[10]

cdef int verb_of(const char* p, size_t n) noexcept
cdef int64_t size_of(const char* digits, size_t n) noexcept
cdef int split(const char* args, size_t n, Word* words, int most, bint returns) noexcept
cdef bint literal(const char* subject, size_t n) noexcept
cdef bint reserved(const char* subject, size_t n, tuple prefixes) noexcept
