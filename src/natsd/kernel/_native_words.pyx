# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The words of a control line: which verb it is, its arguments, sizes, and what a subject must not be."""

from libc.stdint cimport int64_t
from libc.string cimport memcmp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef const char* VERBS[10]
VERBS[:] = [b"PUB", b"HPUB", b"SUB", b"UNSUB", b"CONNECT", b"INFO", b"-ERR", b"PING", b"PONG", b"+OK"]
VERB_SIZES[:] = [3, 4, 3, 5, 7, 4, 4, 4, 4, 3]

cdef inline char upper(char c) noexcept:
    return c - 32 if c'a' <= c <= c'z' else c


cdef int64_t size_of(const char* digits, size_t n) noexcept:
    """A size as the protocol has it: one to nine decimal digits; -1 for anything else."""
    cdef int64_t value = 0
    cdef size_t i
    if n == 0 or n > 9:
        return -1
    for i in range(n):
        if not c'0' <= digits[i] <= c'9':
            return -1
        value = value * 10 + (digits[i] - c'0')
    return value


cdef int split(const char* args, size_t n, Word* words, int most, bint returns) noexcept:
    """Words between blanks; returns how many there are, most + 1 for more than fit.

    returns: carriage returns are blanks too, as they are in SUB and UNSUB but not in PUB.
    """
    cdef int count = 0
    cdef size_t i = 0, begin
    while i < n:
        if args[i] == c' ' or args[i] == c'\t' or (returns and args[i] == c'\r'):
            i += 1
            continue
        begin = i
        while i < n and args[i] != c' ' and args[i] != c'\t' and not (returns and args[i] == c'\r'):
            i += 1
        if count == most:
            return most + 1
        words[count].start = args + begin
        words[count].size = i - begin
        count += 1
    return count


cdef bint literal(const char* subject, size_t n) noexcept:
    """Whether a subject has neither an empty nor a wildcard token, as pedantic connections want it."""
    cdef size_t i, begin = 0
    for i in range(n + 1):
        if i == n or subject[i] == c'.':
            if i == begin:
                return False
            if i == begin + 1 and (subject[begin] == c'*' or subject[begin] == c'>'):
                return False
            begin = i + 1
    return True


cdef bint reserved(const char* subject, size_t n, tuple prefixes) noexcept:
    """Whether a subject begins with one of the prefixes; one that ends in `?` wants at least one byte more."""
    cdef bytes prefix
    cdef size_t size, more
    for prefix in prefixes:
        size = PyBytes_GET_SIZE(prefix)
        more = size and PyBytes_AS_STRING(prefix)[size - 1] == c'?'
        if n >= size and memcmp(subject, PyBytes_AS_STRING(prefix), size - more) == 0:
            return True
    return False


cdef int verb_of(const char* p, size_t n) noexcept:
    """Which verb begins here; -1 for none, -2 where more bytes must tell."""
    cdef char first = upper(p[0])
    cdef int code, i
    if first == c'P':
        if n == 1:
            return -2
        first = upper(p[1])
        code = V_PUB if first == c'U' else V_PING if first == c'I' else V_PONG if first == c'O' else -1
    else:
        code = (V_HPUB if first == c'H' else V_SUB if first == c'S' else V_UNSUB if first == c'U' else
                V_CONNECT if first == c'C' else V_INFO if first == c'I' else V_ERR if first == c'-' else
                V_OK if first == c'+' else -1)
    if code < 0:
        return -1
    for i in range(VERB_SIZES[code]):
        if <size_t> i == n:
            return -2
        if upper(p[i]) != VERBS[code][i]:
            return -1
    return code
