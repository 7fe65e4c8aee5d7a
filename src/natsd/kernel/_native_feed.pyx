# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""How one connection's bytes come in, whatever they mean: reading, what waits for more, ops in between.

Two places hold bytes. `rest` is what a read brought (the road's read buffer, or a bytes object kept in `holder`);
`wait` is what a former read left over: at most one line or one frame, filled from `rest` with just what it lacks.
Both stay where they are while ops are applied; the road's `busy` flag keeps other connections from reading meanwhile,
and `close` in the middle of a scan leaves the freeing to the end of the scan.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from natsd.kernel._native_ops cimport BAD, BAD_VERB, SNIPPET_BYTES
from natsd.kernel._native_road cimport Road

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t c_readv "readv"(int fd, const iovec* pieces, int n)

cdef enum:
    READ_BYTES = 1048576  # as the road's read buffer has
    DIRECT_BYTES = 4096  # a frame lacking more than this is read straight into its own buffer
    GROW_BYTES = 131072
    KEEP_BYTES = 512  # a waiting buffer up to this size is kept for the next time


cdef extern from "<string.h>" nogil:
    void* c_memmove "memmove"(void* to, const void* source, size_t n)


cdef inline void memcpy_down(char* to, const char* source, size_t n) noexcept:
    c_memmove(to, source, n)


cdef class Feed:
    """The bytes of one connection; what they mean is in `scan`, which a kind of connection overrides."""

    def __dealloc__(self):
        free(self.wait)

    cdef size_t scan(self, const char* base, size_t n, bint* stop) except? 0:
        """Scan from `base`; returns how many bytes are done with.

        `stop` becomes true where ops must be applied first; `need` becomes a waiting frame's size once it is known.
        """
        raise NotImplementedError("a kind of connection says what its bytes mean")

    cdef void drop(self) noexcept:
        free(self.wait)
        self.wait = NULL
        self.wait_size = self.wait_at = self.wait_capacity = self.need = 0
        self.rest = NULL
        self.rest_size = 0
        self.holder = None

    def close(self):
        """Take nothing more; also in the middle of a batch of ops."""
        self.closed = True
        if not self.scanning:
            self.drop()

    def on_readable(self, int fd):
        """Read once from the socket and let the owner apply what was said."""
        cdef Road road = self.road
        cdef iovec pieces[2]
        cdef ssize_t n
        cdef size_t direct = 0
        cdef int first = 1, code
        if self.closed:
            return
        if road.busy:
            raise RuntimeError("bytes read while another connection's are scanned")
        if road.congested:
            road.congested.clear()
        pieces[1].iov_base = road.read_buffer
        pieces[1].iov_len = READ_BYTES
        if self.need > self.wait_size + DIRECT_BYTES:
            # The frame that waits is completed where it waits, and what follows it comes with the same read.
            self.wait_room(self.need)
            direct = (self.need if self.need < self.wait_capacity else self.wait_capacity) - self.wait_size
            pieces[0].iov_base = self.wait + self.wait_size
            pieces[0].iov_len = direct
            first = 0
        n = c_readv(fd, &pieces[first], 1 if self.wait_size + direct < self.need else 2 - first)
        if n <= 0:
            if n == 0:
                self.owner.on_eof()
                return
            code = errno
            if code != EAGAIN and code != EINTR:
                self.owner.on_broken(code)
            return
        if direct:
            if <size_t> n <= direct:
                self.wait_size += n
                self.rest_size = 0
            else:
                self.wait_size += direct
                self.rest = road.read_buffer
                self.rest_size = n - direct
            if self.wait_size + 1 < self.need:
                return
        else:
            self.rest = road.read_buffer
            self.rest_size = n
        self.apply()
        self.settle()

    def take_in(self, data):
        """Scan bytes, have the owner apply the ops, settle the road."""
        if self.closed:
            return
        if self.road.busy:
            raise RuntimeError("bytes taken in while another connection's are")
        if self.road.congested:
            self.road.congested.clear()
        self.hold(data)
        self.apply()
        self.settle()

    cdef int hold(self, data) except -1:
        cdef bytes held = bytes(data)
        self.holder = held
        self.rest = PyBytes_AS_STRING(held)
        self.rest_size = PyBytes_GET_SIZE(held)
        return 0

    cdef int apply(self) except -1:
        cdef Road road = self.road
        road.busy = True
        road.speaker = self.owner
        try:
            ops = self.resume()
            while ops is not None:
                self.owner.on_ops(ops)
                if self.closed:
                    break
                ops = self.resume()
        finally:
            road.busy = False
            road.speaker = None
        return 0

    cdef int settle(self) except -1:
        cdef Road road = self.road
        if self.heard:
            self.heard = False
            if road.clock is not None:
                self.last_ns = road.clock()
        road.settle_all()
        if road.congested and not self.closed:
            self.owner.on_stalled(list(road.congested))
        return 0

    def feed(self, data):
        """Scan; returns ops that must be applied before `resume`, or None when all was taken."""
        if self.closed:
            return None
        self.hold(data)
        return self.resume()

    cpdef resume(self):
        """Go on after the ops were applied; as `feed` returns."""
        cdef list ops
        if self.closed:
            return None
        self.scanning = True
        self.ops = None
        try:
            self.go_on()
        finally:
            self.scanning = False
            if self.closed:
                self.drop()
        ops, self.ops = self.ops, None
        return ops

    cdef int add_op(self, tuple what) except -1:
        if self.ops is None:
            self.ops = []
        self.ops.append(what)
        return 0

    cdef int wait_room(self, size_t wanted) except -1:
        """Room for `wanted` waiting bytes in the end; grows by doubling, so that a mere claim costs nothing."""
        cdef size_t capacity
        cdef char* fresh
        if self.wait_capacity >= wanted or self.wait_capacity > self.wait_size + DIRECT_BYTES:
            return 0
        capacity = self.wait_size * 2 + GROW_BYTES
        if capacity > wanted:
            capacity = wanted
        if capacity < self.wait_size + 64:
            capacity = self.wait_size + 64
        fresh = <char*> realloc(self.wait, capacity)
        if fresh == NULL:
            raise MemoryError(f"no memory for {capacity} bytes of input")
        self.wait = fresh
        self.wait_capacity = capacity
        return 0

    cdef int keep(self, const char* data, size_t n) except -1:
        """Add bytes to those that wait."""
        cdef size_t capacity
        cdef char* fresh
        if self.wait_capacity < self.need and self.wait_size == 0:
            fresh = self.road.take_spare(self.need, &capacity)
            if fresh != NULL:
                free(self.wait)
                self.wait = fresh
                self.wait_capacity = capacity
        if self.wait_size + n > self.wait_capacity:
            capacity = (self.wait_size + n) * 3 // 2 + 64
            fresh = <char*> realloc(self.wait, capacity)
            if fresh == NULL:
                raise MemoryError(f"no memory for {capacity} bytes of input")
            self.wait = fresh
            self.wait_capacity = capacity
        memcpy(self.wait + self.wait_size, data, n)
        self.wait_size += n
        return 0

    cdef int go_on(self) except -1:
        """Scan what waits, filled from the rest, then the rest; stops where ops must be applied first."""
        cdef size_t used, take
        cdef const char* newline
        cdef bint stop = False
        while not self.closed:
            if self.wait_size:
                if self.wait_at == 0:
                    if self.need:
                        take = self.need - self.wait_size if self.need > self.wait_size else 0
                    else:
                        newline = <const char*> memchr(self.rest, c'\n', self.rest_size) if self.rest_size else NULL
                        take = newline - self.rest + 1 if newline != NULL else self.rest_size
                    if take > self.rest_size:
                        take = self.rest_size
                    if take:
                        self.keep(self.rest, take)
                        self.rest += take
                        self.rest_size -= take
                    if self.wait_size < self.need:
                        # The frame's last byte but one is known to be CR: a payload shorter than declared ends here.
                        if self.wait_size == self.need - 1 and self.wait[self.wait_size - 1] != c'\r':
                            self.bad(BAD_VERB, self.wait + self.wait_size - 1, 1)
                        break
                self.need = 0
                used = self.scan(self.wait + self.wait_at, self.wait_size - self.wait_at, &stop)
                if self.closed:
                    break
                if stop:
                    # Bytes behind the stop are scanned when the ops were applied.
                    if used + self.wait_at == self.wait_size:
                        self.wait_done()
                    else:
                        self.wait_at += used
                    break
                if used + self.wait_at == self.wait_size:
                    self.wait_done()
                    continue
                if self.wait_at + used:
                    take = self.wait_size - self.wait_at - used
                    memcpy_down(self.wait, self.wait + self.wait_at + used, take)
                    self.wait_size = take
                    self.wait_at = 0
                if self.rest_size == 0:
                    break
                if self.need == 0 and memchr(self.rest, c'\n', self.rest_size) == NULL and self.rest_size == 0:
                    break
                continue
            if self.rest_size == 0:
                break
            used = self.scan(self.rest, self.rest_size, &stop)
            if self.closed:
                break
            self.rest += used
            self.rest_size -= used
            if stop:
                break
            if self.rest_size:
                self.keep(self.rest, self.rest_size)
                self.rest_size = 0
            break
        if self.rest_size == 0 and self.wait_at == 0:
            self.holder = None
        return 0

    cdef int wait_done(self) except -1:
        if self.road.lending:
            self.road.flush_lent()  # before the payload that was lent from here is gone
        self.wait_size = 0
        self.wait_at = 0
        if self.wait_capacity > KEEP_BYTES:
            self.road.give_spare(self.wait, self.wait_capacity)
            self.wait = NULL
            self.wait_capacity = 0
        return 0

    cdef int bad(self, int kind, const char* snippet, size_t n) except -1:
        self.add_op((BAD, kind, PyBytes_FromStringAndSize(snippet, n if n < SNIPPET_BYTES else SNIPPET_BYTES)))
        self.closed = True
        return 0

    cdef void shorten(self, const char* p, size_t kept, size_t n) noexcept:
        """Of an unfinished line only the first `kept` bytes matter; the rest is not kept waiting."""
        if kept >= n:
            return
        if p >= self.wait and p < self.wait + self.wait_size:
            self.wait_size -= n - kept
        else:
            self.rest_size -= n - kept
