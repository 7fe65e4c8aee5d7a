# A stream's index, for stores that keep the bytes: they override what the ledger says is theirs.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from natsd.store._native_deadlines cimport Deadlines
from natsd.store._native_ledger cimport Ledger
from natsd.store._native_subjects cimport Patterns

cdef class Index(Ledger):
    cdef readonly int refusal
    cdef public list expired
    cdef int64_t max_msgs, max_bytes, max_msgs_per_subject, max_age_ns
    cdef bint discard_new, discard_new_per_subject
    cdef Deadlines deadlines
    cdef uint64_t ageless  # below this sequence max_age ends nothing

    # For stores. add_message: know of a message that is kept already; its sequence is above all others, limits are not
    # looked at. length: with flags. keep: one message and what the limits make of it; 0 where it is refused.
    cdef int add_message(self, uint64_t seq, const char* subject, size_t size, uint64_t position, uint32_t length,
                         int64_t time_ns) except -1
    cdef uint32_t length_of(self, size_t subject, size_t header, size_t payload) except? 0
    cdef int keep(self, uint64_t seq, tuple message, int64_t time_ns, bint may_refuse) except -1

    cdef void foresee(self, list batch, Py_ssize_t at) noexcept
    cdef bint refuses(self, bytes subject, uint32_t length) noexcept
    cdef int evict(self) except -1
    cdef int64_t expire_by_age(self, int64_t wall_ns, Py_ssize_t most) except? 0
    cdef list all_of(self, Patterns patterns)
