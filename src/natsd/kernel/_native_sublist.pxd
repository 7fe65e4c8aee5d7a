# What the scanner sees of an account's subscriptions: a result of matching, and delivery to it.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from cpython.object cimport PyObject

from natsd.kernel._native_interest cimport Leaf, Members, Subscription, Twig
from natsd.kernel._native_literals cimport Literals
from natsd.kernel._native_road cimport Outbound, Road

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

cdef struct Message:  # one published message, all of it in memory
    const char* reply  # NULL for none
    size_t reply_size
    const char* payload  # header and body in one piece with CRLF behind
    size_t header_size
    size_t size  # of both
    const char* sizes  # the size words of its line, as they were sent
    size_t sizes_size
    bint stays  # the payload stays where it is until the next flush

cdef struct Parts:  # one message of the server's own, in pieces
    const char* subject
    size_t subject_size
    const char* reply  # NULL for none
    size_t reply_size
    const char* header
    size_t header_size
    const char* payload
    size_t size  # of the payload alone

cdef struct Entry:
    uint64_t hash
    Match* match

cdef class Sublist:
    cdef readonly Road road
    cdef object _mapper
    cdef public object on_changed
    cdef Match* family  # serves every subject with the same tokens but the last
    cdef size_t family_size  # of those tokens, with the dot behind
    cdef uint64_t family_version
    cdef readonly int64_t count, inserts, removes, matches, cache_hits
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
    cdef int deliver(self, Match* match, Message* message, Outbound skip) except -1
    cdef int deliver_alike(self, Match* match, Message* message, Outbound skip) except -1
    cdef int given(self, Subscription sub, Outbound outbound, size_t frame, size_t size) except -1
    cdef int give(self, Subscription sub, Match* match, Message* message, Outbound skip) except -1
    cdef int deliver_parts(self, Match* match, Parts* parts) except -1
    cdef int give_parts(self, Subscription sub, Parts* parts) except -1
    cdef int give_parts_local(self, Subscription sub, Parts* parts) except -1
    cdef int put_local(self, Subscription sub, tuple message) except -1
    cdef int give_local(self, Subscription sub, Match* match, Message* message) except -1

cdef void release_match(Match* match) noexcept
