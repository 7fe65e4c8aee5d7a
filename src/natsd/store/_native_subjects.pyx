# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The subjects of one stream: a table by hash whose rows keep their numbers, and patterns that match them."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

cdef extern from *:
    """
    #define NOBODY 0xFFFFFFFFu
    """
    uint32_t NOBODY

cdef enum:
    FIRST_SLOTS = 8
    FEW = 8  # wildcards that are tried one after the other


cdef int slots_new(Subjects* subjects, size_t n) except -1:
    cdef Slot* slots = <Slot*> malloc(n * sizeof(Slot))
    cdef size_t at
    cdef uint32_t row
    if slots == NULL:
        raise MemoryError(f"no memory for {n} subjects")
    memset(slots, 0xFF, n * sizeof(Slot))
    for row in range(subjects.nrows):
        if subjects.rows[row].name != NULL:
            at = subjects.rows[row].hash & (n - 1)
            while slots[at].row != NOBODY:
                at = (at + 1) & (n - 1)
            slots[at].tag = <uint32_t> subjects.rows[row].hash
            slots[at].row = row
    free(subjects.slots)
    subjects.slots = slots
    subjects.mask = n - 1
    return 0


cdef int subjects_begin(Subjects* subjects) except -1:
    memset(subjects, 0, sizeof(Subjects))
    subjects.free = NOBODY
    # What nobody outside can know, so that nobody can choose subjects that collide.
    subjects.seed = <uint64_t> <Py_hash_t> hash(b"natsd subjects")
    return slots_new(subjects, FIRST_SLOTS)


cdef uint32_t subjects_add(Subjects* subjects, bytes name, uint64_t hash) except? 0:
    """A row for a subject that has none."""
    cdef uint32_t row, capacity
    cdef Row* rows
    cdef size_t at
    if (<size_t> subjects.count + 1) * 8 > (subjects.mask + 1) * 5:
        slots_new(subjects, (subjects.mask + 1) * 2)
    if subjects.free != NOBODY:
        row = subjects.free
        subjects.free = subjects.rows[row].next_free
    else:
        if subjects.nrows == subjects.capacity:
            if subjects.capacity >= <uint32_t> 1 << 31:
                raise MemoryError("a stream has no more than 2147483648 subjects")
            capacity = subjects.capacity * 2 if subjects.capacity else 4
            rows = <Row*> realloc(subjects.rows, capacity * sizeof(Row))
            if rows == NULL:
                raise MemoryError(f"no memory for {capacity} subjects")
            subjects.rows = rows
            subjects.capacity = capacity
        row = subjects.nrows
        subjects.nrows += 1
    memset(&subjects.rows[row], 0, sizeof(Row))
    Py_INCREF(name)
    subjects.rows[row].name = <PyObject*> name
    subjects.rows[row].hash = hash
    subjects.count += 1
    at = hash & subjects.mask
    while subjects.slots[at].row != NOBODY:
        at = (at + 1) & subjects.mask
    subjects.slots[at].tag = <uint32_t> hash
    subjects.slots[at].row = row
    return row


cdef void subjects_drop(Subjects* subjects, uint32_t row) noexcept:
    cdef size_t mask = subjects.mask
    cdef size_t hole = subjects.rows[row].hash & mask
    cdef size_t at, home
    while subjects.slots[hole].row != row:
        hole = (hole + 1) & mask
    at = hole
    # Close the gap: one behind moves into it unless its home lies between the gap and where it stands.
    while True:
        at = (at + 1) & mask
        if subjects.slots[at].row == NOBODY:
            break
        home = subjects.rows[subjects.slots[at].row].hash & mask if mask > NOBODY else subjects.slots[at].tag & mask
        if ((at - home) & mask) >= ((at - hole) & mask):
            subjects.slots[hole] = subjects.slots[at]
            hole = at
    subjects.slots[hole].row = NOBODY
    if subjects.rows[row].nfilters > 1:
        free(subjects.rows[row].filters)
    Py_DECREF(<object> subjects.rows[row].name)
    subjects.rows[row].name = NULL
    subjects.rows[row].nfilters = 0
    subjects.rows[row].next_free = subjects.free
    subjects.free = row
    subjects.count -= 1


cdef void subjects_free(Subjects* subjects) noexcept:
    cdef uint32_t row
    for row in range(subjects.nrows):
        if subjects.rows[row].name != NULL:
            Py_DECREF(<object> subjects.rows[row].name)
            if subjects.rows[row].nfilters > 1:
                free(subjects.rows[row].filters)
    free(subjects.rows)
    free(subjects.slots)
    memset(subjects, 0, sizeof(Subjects))


cdef int row_join(Row* row, void* wanted) except -1:
    cdef void** filters
    if row.nfilters == 0:
        row.filters = <void**> wanted
    elif row.nfilters == 1:
        filters = <void**> malloc(2 * sizeof(void*))
        if filters == NULL:
            raise MemoryError("no memory for a filter")
        filters[0] = <void*> row.filters
        filters[1] = wanted
        row.filters = filters
    else:
        filters = row.filters
        if row.nfilters & (row.nfilters - 1) == 0:
            filters = <void**> realloc(row.filters, <size_t> row.nfilters * 2 * sizeof(void*))
            if filters == NULL:
                raise MemoryError("no memory for a filter")
            row.filters = filters
        filters[row.nfilters] = wanted
    row.nfilters += 1
    return 0


cdef void row_leave(Row* row, void* wanted) noexcept:
    cdef void** filters = row.filters
    cdef uint32_t i = 0
    if row.nfilters == 1:
        if <void*> filters == wanted:
            row.nfilters = 0
        return
    while i < row.nfilters and filters[i] != wanted:
        i += 1
    if i == row.nfilters:
        return
    row.nfilters -= 1
    filters[i] = filters[row.nfilters]
    if row.nfilters == 1:
        row.filters = <void**> filters[0]
        free(filters)


# ---- patterns

cdef inline size_t token_end(const char* subject, size_t begin, size_t size) noexcept:
    while begin < size and subject[begin] != c'.':
        begin += 1
    return begin


cdef bint pattern_matches(const char* pattern, size_t n, const char* subject, size_t size) noexcept:
    """Whether a subject without empty tokens matches."""
    cdef size_t i = 0, k = 0, i_end, k_end
    while True:
        i_end = token_end(pattern, i, n)
        if i_end == n and n - i == 1 and pattern[i] == c'>':
            return True
        k_end = token_end(subject, k, size)
        if (i_end - i != 1 or pattern[i] != c'*') and (
                i_end - i != k_end - k or memcmp(pattern + i, subject + k, k_end - k) != 0):
            return False
        if i_end == n or k_end == size:
            return i_end == n and k_end == size
        i = i_end + 1
        k = k_end + 1


cdef bint has_empty_token(const char* subject, size_t size) noexcept:
    cdef size_t i
    if size == 0 or subject[0] == c'.' or subject[size - 1] == c'.':
        return True
    for i in range(1, size):
        if subject[i] == c'.' and subject[i - 1] == c'.':
            return True
    return False


cdef bint has_wildcard(bytes pattern) noexcept:
    cdef const char* text = PyBytes_AS_STRING(pattern)
    cdef size_t size = PyBytes_GET_SIZE(pattern), i
    for i in range(size):
        if (text[i] == c'*' or text[i] == c'>') and (i == 0 or text[i - 1] == c'.') and (
                i + 1 == size or text[i + 1] == c'.'):
            return True
    return False


cdef bytes start_of(bytes pattern):
    """The tokens before the first wildcard, with the dot behind."""
    cdef const char* text = PyBytes_AS_STRING(pattern)
    cdef size_t size = PyBytes_GET_SIZE(pattern), begin = 0, end
    while True:
        end = token_end(text, begin, size)
        if end - begin == 1 and (text[begin] == c'*' or text[begin] == c'>'):
            return pattern[:begin]
        if end == size:
            return pattern
        begin = end + 1


@cython.final
cdef class Patterns:
    """A set of filters. key: one spelling for equal sets; empty for everything."""

    def __init__(self, filters):
        cdef set unique = set(filters)
        cdef bytes pattern
        self.key = () if b">" in unique else tuple(sorted(unique))
        self.everything = not self.key
        self.words = set()
        self.wildcards = []
        for pattern in self.key:
            if has_wildcard(pattern):
                self.wildcards.append(pattern)
            else:
                self.words.add(pattern)
        if len(self.wildcards) > FEW:
            self.tree = {}
            for pattern in self.wildcards:
                plant(self.tree, pattern)

    cdef bint matches(self, bytes subject) except -1:
        cdef const char* text = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        if self.everything or (self.words and subject in self.words):
            return True
        if not self.wildcards or has_empty_token(text, size):
            return False
        if self.tree is None:
            return any_matches(self.wildcards, text, size)
        return stands_in(self.tree, text, 0, size)


cdef int plant(dict place, bytes pattern) except -1:
    """Put a pattern into a tree of tokens. Under False it is known that one ends there, under None that all matches."""
    cdef list tokens = pattern.split(b".")
    rest = tokens[len(tokens) - 1] == b">"
    if rest:
        tokens.pop()
    for token in tokens:
        place = place.setdefault(token, {})
    place[None if rest else False] = True
    return 0


cdef bint stands_in(dict place, const char* text, size_t begin, size_t size) except -1:
    """Whether the tokens from `begin` on match below a place. Each place is come to once at most."""
    cdef size_t end
    if begin > size:
        return False in place
    if None in place:
        return True
    end = token_end(text, begin, size)
    found = place.get(text[begin:end])
    if found is not None and stands_in(<dict> found, text, end + 1, size):
        return True
    found = place.get(b"*")
    return found is not None and stands_in(<dict> found, text, end + 1, size)


cdef bint any_matches(list patterns, const char* text, size_t size) except -1:
    cdef bytes pattern
    for pattern in patterns:
        if pattern_matches(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern), text, size):
            return True
    return False
