# Which subscriptions match a subject, for delivery and for the scanner.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from cpython.object cimport PyObject

from natsd.kernel._native_interest cimport Members, Subscription, Twig
from natsd.kernel._native_literals cimport Literals
from natsd.kernel._native_road cimport Road

cdef struct Match:  # one result, in one piece of memory with its arrays and subjects
    int refs
    uint32_t nplain
    uint32_t ngroups
    uint32_t size  # of the published subject
    uint32_t as_size
    bint keep
    uint64_t hash
    uint64_t generation
    PyObject** plain  # owned, as are the groups' members
    Members* groups
    char* subject
    char* deliver_as

cdef struct Entry:
    uint64_t hash
    Match* match

cdef class Matches:
    cdef readonly Road road
    cdef object _mapper
    cdef public object on_changed
    cdef Match* family  # serves every subject with the same tokens but the last
    cdef size_t family_size  # of those tokens, with the dot behind
    cdef uint64_t family_version
    cdef readonly int64_t count, inserts, removes, matches, cache_hits
    cdef readonly int64_t in_msgs, in_bytes  # from connections of the account
    cdef readonly int64_t out_msgs, out_bytes  # to connections of the account
    cdef Literals literals
    cdef Twig* trie
    cdef Entry* cache
    cdef size_t cache_sets, cache_filled
    cdef int64_t cache_references
    cdef uint64_t generation
    cdef readonly uint64_t version  # no two states of any sublists of one road share it
    cdef uint32_t victim
    cdef Match* look_up(self, const char* subject, size_t size) except NULL
    cdef Match* own_match(self, bytes subject) except NULL
    cdef Match* reply_match(self, const char* to, size_t size, bytes subject) except NULL
    cdef Match* build(self, bytes subject, bytes deliver_as, bint keep, uint64_t hash) except NULL
    cdef void keep_match(self, Match* match) noexcept
    cdef void place(self, Match* match) noexcept
    cdef void drop_cache(self) noexcept
    cdef void changed(self) noexcept
    cdef void forget(self, bytes subject, uint64_t hash) noexcept

cdef void release_match(Match* match) noexcept
