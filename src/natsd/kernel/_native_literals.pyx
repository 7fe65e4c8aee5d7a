# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The subjects without wildcards that somebody subscribed to, by hash: one lookup finds all their subscriptions."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject

from natsd.kernel._native_interest cimport Leaf, leaf_free, list_leaf, same_bytes


cdef Leaf* literals_find(Literals* literals, bytes subject, uint64_t hash) noexcept:
    cdef size_t at
    cdef Leaf* leaf
    if literals.count == 0:
        return NULL
    at = hash & (literals.capacity - 1)
    while True:
        leaf = literals.table[at]
        if leaf == NULL:
            return NULL
        if leaf.hash == hash and same_bytes(leaf.subject, <PyObject*> subject):
            return leaf
        at = (at + 1) & (literals.capacity - 1)


cdef bint literals_has(Literals* literals, const char* subject, size_t size, uint64_t hash) noexcept:
    cdef size_t at
    cdef Leaf* leaf
    if literals.count == 0:
        return False
    at = hash & (literals.capacity - 1)
    while True:
        leaf = literals.table[at]
        if leaf == NULL:
            return False
        if leaf.hash == hash and <size_t> PyBytes_GET_SIZE(<object> leaf.subject) == size and memcmp(
                PyBytes_AS_STRING(<object> leaf.subject), subject, size) == 0:
            return True
        at = (at + 1) & (literals.capacity - 1)


cdef void place(Leaf** table, size_t capacity, Leaf* leaf) noexcept:
    cdef size_t at = leaf.hash & (capacity - 1)
    while table[at] != NULL:
        at = (at + 1) & (capacity - 1)
    table[at] = leaf


cdef int literals_add(Literals* literals, Leaf* leaf) except -1:
    cdef size_t i, capacity
    cdef Leaf** table
    if (literals.count + 1) * 4 > literals.capacity * 3:
        capacity = literals.capacity * 2 if literals.capacity else 16
        table = <Leaf**> calloc(capacity, sizeof(Leaf*))
        if table == NULL:
            raise MemoryError(f"no memory for {capacity} subjects")
        for i in range(literals.capacity):
            if literals.table[i] != NULL:
                place(table, capacity, literals.table[i])
        free(literals.table)
        literals.table = table
        literals.capacity = capacity
    place(literals.table, literals.capacity, leaf)
    literals.count += 1
    return 0


cdef void literals_drop(Literals* literals, Leaf* leaf) noexcept:
    cdef size_t mask = literals.capacity - 1
    cdef size_t at = leaf.hash & mask
    cdef size_t home, hole
    while literals.table[at] != leaf:
        at = (at + 1) & mask
    hole = at
    # Close the gap: one behind moves into it unless its home lies between the gap and where it stands.
    while True:
        at = (at + 1) & mask
        if literals.table[at] == NULL:
            break
        home = literals.table[at].hash & mask
        if ((at - home) & mask) >= ((at - hole) & mask):
            literals.table[hole] = literals.table[at]
            hole = at
    literals.table[hole] = NULL
    literals.count -= 1
    leaf_free(leaf)


cdef int literals_list(list into, Literals* literals) except -1:
    cdef size_t i
    for i in range(literals.capacity):
        if literals.table[i] != NULL:
            list_leaf(into, literals.table[i])
    return 0


cdef void literals_free(Literals* literals) noexcept:
    cdef size_t i
    for i in range(literals.capacity):
        if literals.table[i] != NULL:
            leaf_free(literals.table[i])
    free(literals.table)
    literals.table = NULL
    literals.capacity = literals.count = 0
