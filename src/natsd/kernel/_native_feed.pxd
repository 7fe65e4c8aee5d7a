# One connection's incoming bytes, for the kinds of connection that say what they mean.

from natsd.kernel._native_road cimport Road

cdef class Feed:
    cdef readonly Road road
    cdef public object owner
    cdef readonly bint closed
    cdef bint scanning
    cdef bint heard  # a message, in this read
    cdef public object last_ns  # when a message was last published, by the road's clock
    cdef const char* rest
    cdef size_t rest_size
    cdef object holder
    cdef char* wait
    cdef size_t wait_size, wait_at, wait_capacity, need
    cdef list ops

    cdef size_t scan(self, const char* base, size_t n, bint* stop) except? 0
    cdef void drop(self) noexcept
    cdef int hold(self, data) except -1
    cdef int apply(self) except -1
    cdef int settle(self) except -1
    cpdef resume(self)
    cdef int add_op(self, tuple what) except -1
    cdef int wait_room(self, size_t wanted) except -1
    cdef int keep(self, const char* data, size_t n) except -1
    cdef int go_on(self) except -1
    cdef int wait_done(self) except -1
    cdef int bad(self, int kind, const char* snippet, size_t n) except -1
    cdef void shorten(self, const char* p, size_t kept, size_t n) noexcept
