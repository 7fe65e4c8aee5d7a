# What there is in a stream. Stores that keep the bytes override put_message, get_message and drop_message.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from natsd.store._native_filter cimport Filter
from natsd.store._native_pages cimport Entry, Pages
from natsd.store._native_subjects cimport Patterns, Subjects

cdef struct Run:  # the messages from a sequence on have one time, up to the next run
    uint64_t seq
    int64_t time_ns

cdef class Ledger:
    cdef Pages pages
    cdef Subjects subject_rows
    cdef readonly uint32_t overhead, header_overhead
    cdef public object on_removed, on_purged
    cdef uint64_t first, last  # first: of a message there is, or one above last
    cdef uint64_t msgs, bytes
    cdef uint64_t removals  # so far; who holds what he found can see that something went
    cdef bint idle  # the last cursor of some filter went without a word
    cdef int64_t last_time_ns
    cdef Run* runs
    cdef size_t runs_head, runs_end, runs_capacity
    cdef dict far_back, far_ahead  # neighbours of one subject that are too far apart, by sequence
    cdef dict filters  # by the key of their patterns
    cdef Filter everything
    cdef dict words  # literal subject -> filters that name it
    cdef dict starts  # what stands before a wildcard -> (pattern or None, filter)
    cdef uint64_t* gone
    cdef size_t ngone, gone_capacity

    # A store's own. put_message: keep the bytes, say where. get_message: the tuple of the contract. drop_message: the
    # bytes are needed no more; it runs amid a removal and may look at nothing of the index. fetch_message: they will
    # be dropped soon; a hint for those in memory.
    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0
    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns)
    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1
    cdef void fetch_message(self, uint64_t position) noexcept

    cdef size_t run_of(self, uint64_t seq) noexcept
    cdef int64_t time_of(self, uint64_t seq) noexcept
    cdef uint32_t find_row(self, bytes subject) noexcept
    cdef tuple message_at(self, uint64_t seq)
    cdef uint32_t row_of(self, bytes subject, const char* text, size_t size) except? 0
    cdef int store(self, uint64_t seq, uint32_t number, uint64_t position, uint32_t length, int64_t time_ns) except -1
    cdef uint64_t back_of(self, uint64_t seq, Entry* entry) except? 0
    cdef uint64_t ahead_of(self, uint64_t seq, Entry* entry) except? 0
    cdef int set_back(self, uint64_t seq, Entry* entry, uint64_t to) except -1
    cdef int set_ahead(self, uint64_t seq, Entry* entry, uint64_t to) except -1
    cdef uint64_t first_of(self, uint32_t number, uint64_t seq) except? 0
    cdef int cut(self, uint64_t seq) except -1
    cdef void find_first(self) noexcept
    cdef int drop_row(self, uint32_t number) except -1
    cdef int clear(self) except -1
    cdef int note_gone(self, uint64_t seq) except -1
    cdef int tell(self) except -1
    cdef int tidy(self) except -1
    cdef list rows_of(self, Patterns patterns)
    cdef uint64_t count_from(self, Filter wanted, uint64_t first) noexcept
    cdef Filter known_filter(self, Patterns patterns)
    cdef Filter begin_filter(self, Patterns patterns)
    cdef int sweep(self, Filter wanted, uint32_t most) except -1
    cdef Filter filter_of(self, Patterns patterns)
    cdef int join_filter(self, uint32_t number, Filter wanted) except -1
    cdef int forget_filter(self, Filter wanted) except -1
    cdef int join_filters(self, uint32_t number, bytes subject) except -1
