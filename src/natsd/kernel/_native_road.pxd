# What the other native modules see of the road: the fields of Road and Outbound, and room in an output buffer.

from libc.stdint cimport int64_t, uint64_t
from libc.stddef cimport size_t

cdef enum:
    SLACK = 64  # bytes behind every buffer that a copy may overwrite
    MOST_LENT = 64  # pieces one outbound may owe at a time

cdef struct Lent:  # a payload that is sent from where it was read, without a copy
    const char* data
    size_t size
    size_t at  # how many of the buffer's pending bytes go before it

cdef class Road:
    cdef public int64_t in_msgs, in_bytes, out_msgs, out_bytes
    cdef public int64_t max_payload, max_control_line, max_pending, stall_bytes
    cdef public tuple reserved_subjects, reserved_replies
    cdef public object on_work
    cdef public object on_failed
    cdef public object clock
    cdef public list trace
    cdef public bint busy
    cdef public list congested
    cdef public object speaker  # the owner of the connection whose read is dealt with; None outside of one
    cdef uint64_t random
    cdef readonly uint64_t seed
    cdef uint64_t versions  # of sublists, given out so far
    cdef list dirty
    cdef bint lending  # some dirty outbound has lent pieces
    cdef list handlers
    cdef Py_ssize_t gathered  # how many messages wait for a handler
    cdef readonly bint lone
    cdef list troubled
    cdef list ended
    cdef bint settling
    cdef char* read_buffer
    cdef char* small[256]  # free output buffers, the last returned first
    cdef char* large[32]
    cdef int nsmall, nlarge
    cdef char* spare[8]  # input buffers of frames that took several reads
    cdef size_t spare_capacity[8]
    cdef int nspare

    cdef uint64_t next_random(self) noexcept
    cdef int add_dirty(self, Outbound outbound) except -1
    cdef int add_handler(self, object sub) except -1
    cdef int add_ended(self, object owner, object sub) except -1
    cdef int wake(self) except -1
    cdef int settle_all(self) except -1
    cdef int flush_lent(self) except -1
    cdef char* take_spare(self, size_t wanted, size_t* capacity) noexcept
    cdef void give_spare(self, char* buffer, size_t capacity) noexcept

cdef class Outbound:
    cdef readonly Road road
    cdef public object owner
    cdef public int fd
    cdef public bint headers, blocked
    cdef public list replies  # of messages it was given, for the owner to take; None where nobody wants them
    cdef readonly bint closed, dirty
    cdef char* buffer
    cdef size_t start, end, capacity
    cdef Lent* lent
    cdef int nlent
    cdef size_t lent_bytes
    cdef public int64_t out_msgs, out_bytes, sent_bytes

    cdef int grow(self, size_t more) except -1
    cdef void release(self) noexcept
    cdef int overflow(self) except -1
    cdef int write(self) except -1
    cdef int flush(self) except -1
    cdef int push(self) except -1
    cdef int write_lent(self) except -1
    cdef int own(self, size_t sent) except -1
    cdef bint lend(self, const char* data, size_t n) noexcept
    cdef int put_bytes(self, const char* data, size_t n) except -1

cdef inline char* room(Outbound outbound, size_t more) except NULL:
    """A pointer to where `more` bytes may be written (and SLACK overwritten)."""
    if outbound.end + more + SLACK > outbound.capacity:
        outbound.grow(more)
    return outbound.buffer + outbound.end


cdef inline size_t waiting(Outbound outbound) noexcept:
    """Bytes that wait to be sent."""
    return outbound.end - outbound.start + outbound.lent_bytes
