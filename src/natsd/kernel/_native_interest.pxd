# Subscriptions and where they stand, for the other native modules.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from cpython.object cimport PyObject

from natsd.kernel._native_road cimport Outbound
from natsd.kernel._native_verdicts cimport Verdicts

cdef struct Slots:  # a growing array of owned subscriptions; one needs no allocation of its own
    PyObject* one
    PyObject** items
    uint32_t n
    uint32_t capacity

cdef struct Group:
    PyObject* queue  # bytes, owned
    Slots members

cdef struct Leaf:  # the subscriptions of one subject
    Slots plain
    Group** groups
    uint32_t ngroups
    uint64_t hash
    PyObject* subject  # bytes, owned; NULL in the trie

cdef struct Twig:  # one token's place in the trie; the token stands behind the struct
    Twig** kids  # open addressing by hash
    uint32_t nkids
    uint32_t capacity
    Twig* star
    Twig* full
    Leaf* leaf
    uint64_t hash
    uint32_t size
    char* token

cdef struct Members:
    PyObject** items
    uint32_t n

cdef class Subscription:
    cdef readonly bytes subject, sid, queue
    cdef readonly Outbound outbound
    cdef readonly object handler
    cdef public Verdicts filter  # what may be delivered to it; None for everything
    cdef public Subscription lead  # a local one in whose batch its messages go, to keep their order; None: its own
    cdef list batch
    cdef public int64_t delivered, max
    cdef readonly bint closed
    cdef uint32_t slot
    cdef bint inside
    cdef char label[24]  # the sid and a blank, as a frame has them
    cdef uint32_t label_size  # 0 where the sid is too long for that


cdef struct Gathering:  # of one queue group
    PyObject* queue
    PyObject** items  # borrowed
    size_t n, capacity

cdef struct Gathered:  # subscriptions found so far, while a result is built
    PyObject** plain  # borrowed
    size_t nplain, plain_capacity
    Gathering* groups
    size_t ngroups, groups_capacity

cdef Leaf* leaf_new() except NULL
cdef void leaf_free(Leaf* leaf) noexcept
cdef int leaf_add(Leaf* leaf, Subscription sub) except -1
cdef bint leaf_remove(Leaf* leaf, Subscription sub) noexcept
cdef bint leaf_empty(Leaf* leaf) noexcept
cdef Twig* twig_new(const char* token, uint32_t size, uint64_t hash) except NULL
cdef void twig_free(Twig* root) noexcept
cdef int trie_insert(Twig* root, Subscription sub, uint64_t seed) except -1
cdef bint trie_remove(Twig* root, Subscription sub, uint64_t seed) except -1
cdef int gather(Gathered* into, Leaf* leaf) except -1
cdef int gather_trie(Gathered* into, Twig* root, const char* subject, size_t size, uint64_t seed) except -1
cdef Twig* twig_kid(Twig* twig, const char* token, size_t size, uint64_t hash) noexcept
cdef void ungather(Gathered* found) noexcept
cdef int list_leaf(list into, Leaf* leaf) except -1
cdef int list_trie(list into, Twig* root) except -1
cdef bint same_bytes(PyObject* a, PyObject* b) noexcept
cdef bint has_wildcard(const char* subject, size_t size) noexcept
cdef bint has_empty_token(const char* subject, size_t size) noexcept
