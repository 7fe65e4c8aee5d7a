# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=False
"""Native form of `_plain_road`: the same classes, in C speed. The order within `settle` is stated there."""

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    int MSG_NOSIGNAL
    cdef struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t c_send "send"(int fd, const void* data, size_t n, int flags)
    ssize_t c_sendmsg "sendmsg"(int fd, const msghdr* message, int flags)

cdef enum:
    SMALL_BYTES = 4096
    LARGE_BYTES = 262144
    SMALL_KEPT = 256
    LARGE_KEPT = 32
    SPARE_KEPT = 8
    SPARE_BYTES = 2097152
    READ_BYTES = 1048576


@cython.final
cdef class Road:
    """What the connections of one server share: limits, totals, and the list of outbounds with something to send.

    seed: any integer; decides queue picks (both forms of the kernel pick alike for one seed).
    """

    def __cinit__(self, seed):
        self.read_buffer = <char*> malloc(READ_BYTES + SLACK)
        if self.read_buffer == NULL:
            raise MemoryError("no memory for the read buffer")

    def __init__(self, seed):
        self.max_payload = 1 << 20
        self.max_control_line = 4096
        self.max_pending = 64 << 20
        self.stall_bytes = 1 << 20
        self.reserved_subjects = ()
        self.reserved_replies = ()
        self.on_work = None
        self.on_failed = None  # (subscription, exception): what a local handler raised; None: it goes up
        self.clock = None  # () -> int, to date messages by
        self.trace = None
        self.busy = False
        self.speaker = None
        self.congested = []
        self.seed = (seed & 0xFFFFFFFFFFFFFFFF) or 0x9E3779B97F4A7C15
        self.random = self.seed
        self.dirty = []
        self.handlers = []
        self.troubled = []
        self.ended = []

    def __dealloc__(self):
        cdef int i
        free(self.read_buffer)
        for i in range(self.nsmall):
            free(self.small[i])
        for i in range(self.nlarge):
            free(self.large[i])
        for i in range(self.nspare):
            free(self.spare[i])

    cdef uint64_t next_random(self) noexcept:
        cdef uint64_t x = self.random
        x ^= x >> 12
        x ^= x << 25
        x ^= x >> 27
        self.random = x
        return (x * <uint64_t> 0x2545F4914F6CDD1D) >> 33

    def pick(self, uint64_t n):
        """A number from 0 to n - 1, each as likely (xorshift64*)."""
        if n == 0:
            raise ValueError("pick wants at least one to pick from, got 0")
        return self.next_random() % n

    def publish(self, sublist, subject, reply, header, payload):
        """Deliver a message of the server's own; returns how many took it."""
        return sublist.publish(subject, reply, header, payload)

    cdef int wake(self) except -1:
        if not self.busy and not self.settling and self.on_work is not None:
            if len(self.dirty) + len(self.handlers) + len(self.troubled) + len(self.ended) == 1:
                self.on_work()
        return 0

    cdef int add_dirty(self, Outbound outbound) except -1:
        outbound.dirty = True
        self.dirty.append(outbound)
        return self.wake()

    cdef int add_handler(self, object sub) except -1:
        self.handlers.append(sub)
        return self.wake()

    def add_work(self, work not None):
        """Have work.run_batch() called when the road settles, after the handlers whose batches wait by now."""
        self.add_handler(work)

    cdef int add_ended(self, object owner, object sub) except -1:
        self.ended.append((owner, sub))
        return self.wake()

    cdef int flush_lent(self) except -1:
        """Send what lies in a buffer that is about to be used for something else."""
        cdef Outbound outbound
        cdef list todo
        todo, self.dirty = self.dirty, []
        for outbound in todo:
            if outbound.nlent:
                outbound.flush()
            else:
                self.dirty.append(outbound)
        self.lending = False
        return 0

    cdef char* take_spare(self, size_t wanted, size_t* capacity) noexcept:
        """A buffer of at least `wanted` bytes that was used before; NULL where there is none."""
        cdef int i
        cdef char* buffer
        for i in range(self.nspare - 1, -1, -1):
            if self.spare_capacity[i] >= wanted:
                buffer = self.spare[i]
                capacity[0] = self.spare_capacity[i]
                self.nspare -= 1
                self.spare[i] = self.spare[self.nspare]
                self.spare_capacity[i] = self.spare_capacity[self.nspare]
                return buffer
        return NULL

    cdef void give_spare(self, char* buffer, size_t capacity) noexcept:
        """Keep a buffer for the next large frame; its pages are the system's already."""
        if self.nspare == SPARE_KEPT or capacity > SPARE_BYTES:
            free(buffer)
            return
        self.spare[self.nspare] = buffer
        self.spare_capacity[self.nspare] = capacity
        self.nspare += 1

    def run_handlers(self):
        """Run what waits by now; where one of them fails, the others still have their turn.

        Meanwhile `lone` says whether all of it is a single message.
        """
        cdef list todo
        cdef Py_ssize_t done = 0
        todo, self.handlers = self.handlers, []
        self.lone = self.gathered == 1 and len(todo) == 1
        self.gathered = 0
        try:
            for sub in todo:
                done += 1
                try:
                    sub.run_batch()
                except Exception as error:
                    if self.on_failed is None:
                        raise
                    self.on_failed(sub, error)
        finally:
            self.lone = False
            if done < len(todo):
                self.handlers[:0] = todo[done:]

    def settle(self):
        """Run local handlers' batches, send every dirty outbound once, tell owners of trouble. Safe to nest."""
        if not self.settling and self.congested:
            self.congested.clear()
        self.settle_all()

    cdef int settle_all(self) except -1:
        cdef Outbound outbound
        cdef list todo
        if self.settling:
            return 0
        self.settling = True
        try:
            while self.handlers or self.dirty or self.troubled or self.ended:
                while self.handlers:
                    self.run_handlers()
                if self.ended:
                    todo, self.ended = self.ended, []
                    for owner, sub in todo:
                        owner.on_unsubscribed(sub)
                todo, self.dirty = self.dirty, []
                for outbound in todo:
                    outbound.flush()
                if self.troubled:
                    todo, self.troubled = self.troubled, []
                    for outbound in todo:
                        outbound.owner.on_slow()
        finally:
            self.settling = False
            self.lending = False
        return 0


@cython.final
cdef class Outbound:
    """One connection's way out: a buffer that grows, and the accounting of what is pending.

    fd -1 means that the owner takes the bytes itself (in memory, or under TLS).
    """

    def __init__(self, Road road not None, owner, int fd=-1):
        self.road = road
        self.owner = owner
        self.fd = fd

    def __dealloc__(self):
        # The road may be gone already: its pool is not asked.
        free(self.buffer)
        free(self.lent)

    @property
    def pending(self):
        """Bytes that wait to be sent."""
        return <int64_t> waiting(self)

    cdef int grow(self, size_t more) except -1:
        cdef size_t owned = self.end - self.start
        cdef size_t wanted = owned + more + SLACK
        cdef size_t capacity
        cdef Road road = self.road
        cdef char* fresh
        if self.start > 0 and wanted <= self.capacity and self.start >= self.capacity // 2:
            memmove(self.buffer, self.buffer + self.start, owned)
            self.start = 0
            self.end = owned
            return 0
        if wanted <= SMALL_BYTES and self.capacity < SMALL_BYTES:
            capacity = SMALL_BYTES
            if road.nsmall > 0:
                road.nsmall -= 1
                fresh = road.small[road.nsmall]
            else:
                fresh = <char*> malloc(capacity)
        elif wanted <= LARGE_BYTES and self.capacity < LARGE_BYTES:
            capacity = LARGE_BYTES
            if road.nlarge > 0:
                road.nlarge -= 1
                fresh = road.large[road.nlarge]
            else:
                fresh = <char*> malloc(capacity)
        else:
            capacity = self.capacity * 2
            if capacity < wanted:
                capacity = wanted + wanted // 4
            if self.start == 0 and self.capacity > LARGE_BYTES:
                fresh = <char*> realloc(self.buffer, capacity)
                if fresh == NULL:
                    raise MemoryError(f"no memory for {capacity} bytes of output")
                self.buffer = fresh
                self.capacity = capacity
                return 0
            fresh = <char*> malloc(capacity)
        if fresh == NULL:
            raise MemoryError(f"no memory for {capacity} bytes of output")
        if owned:
            memcpy(fresh, self.buffer + self.start, owned)
        self.release()
        self.buffer = fresh
        self.capacity = capacity
        self.end = owned
        return 0

    cdef bint lend(self, const char* data, size_t n) noexcept:
        """Take a payload without copying it; its place must stay as it is until the next flush. False: copy it."""
        if self.blocked or self.fd < 0 or self.nlent == MOST_LENT:
            return False
        if self.lent == NULL:
            self.lent = <Lent*> malloc(MOST_LENT * sizeof(Lent))
            if self.lent == NULL:
                return False
        self.lent[self.nlent].data = data
        self.lent[self.nlent].size = n
        self.lent[self.nlent].at = self.end - self.start
        self.nlent += 1
        self.lent_bytes += n
        self.road.lending = True
        return True

    cdef void release(self) noexcept:
        """Give the buffer back; an idle connection holds none."""
        cdef Road road = self.road
        if self.capacity == SMALL_BYTES and road.nsmall < SMALL_KEPT:
            road.small[road.nsmall] = self.buffer
            road.nsmall += 1
        elif self.capacity == LARGE_BYTES and road.nlarge < LARGE_KEPT:
            road.large[road.nlarge] = self.buffer
            road.nlarge += 1
        else:
            free(self.buffer)
        self.buffer = NULL
        self.capacity = 0
        self.start = 0
        self.end = 0

    cdef int put_bytes(self, const char* data, size_t n) except -1:
        cdef char* to
        if self.closed:
            return 0
        to = room(self, n)
        memcpy(to, data, n)
        self.end += n
        if <int64_t> waiting(self) > self.road.max_pending:
            return self.overflow()
        if not self.dirty:
            self.road.add_dirty(self)
        return 0

    def append(self, bytes data not None):
        """Add protocol bytes; they are sent when the road settles."""
        self.put_bytes(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef int overflow(self) except -1:
        self.close()
        self.road.troubled.append(self)
        return self.road.wake()

    cdef int flush(self) except -1:
        self.dirty = False
        if self.replies:
            self.owner.on_replies()
        if self.closed or waiting(self) == 0:
            return 0
        if self.fd < 0:
            self.owner.on_output()
        elif not self.blocked:
            self.push()
        if <int64_t> waiting(self) > self.road.stall_bytes:
            self.road.congested.append(self)
        return 0

    cdef int write_lent(self) except -1:
        """Send buffer and lent pieces in their order with one call; what is not taken becomes our own."""
        cdef iovec pieces[2 * MOST_LENT + 1]
        cdef msghdr message
        cdef size_t from_ = 0
        cdef int i, n = 0, code
        cdef ssize_t sent
        memset(&message, 0, sizeof(message))
        for i in range(self.nlent):
            if self.lent[i].at > from_:
                pieces[n].iov_base = self.buffer + self.start + from_
                pieces[n].iov_len = self.lent[i].at - from_
                from_ = self.lent[i].at
                n += 1
            pieces[n].iov_base = <void*> self.lent[i].data
            pieces[n].iov_len = self.lent[i].size
            n += 1
        if self.end - self.start > from_:
            pieces[n].iov_base = self.buffer + self.start + from_
            pieces[n].iov_len = self.end - self.start - from_
            n += 1
        message.msg_iov = pieces
        message.msg_iovlen = n
        while True:
            sent = c_sendmsg(self.fd, &message, MSG_NOSIGNAL)
            if sent >= 0:
                break
            code = errno
            if code == EINTR:
                continue
            if code == EAGAIN:
                sent = 0
                break
            self.close()
            self.owner.on_broken(code)
            return 0
        self.sent_bytes += sent
        return self.own(sent)

    cdef int own(self, size_t sent) except -1:
        """Copy what is left after the first `sent` bytes into the buffer; nothing is lent afterwards."""
        cdef size_t left = waiting(self) - sent
        cdef size_t from_ = 0, n
        cdef const char* piece
        cdef char* fresh
        cdef char* to
        cdef int i
        if left == 0:
            self.nlent = 0
            self.lent_bytes = 0
            self.release()
            return 0
        fresh = <char*> malloc(left + SLACK)
        if fresh == NULL:
            raise MemoryError(f"no memory for {left} bytes of output")
        to = fresh
        for i in range(2 * self.nlent + 1):
            if i & 1:
                piece = self.lent[i // 2].data
                n = self.lent[i // 2].size
            else:
                piece = self.buffer + self.start + from_
                n = (self.lent[i // 2].at if i // 2 < self.nlent else self.end - self.start) - from_
                from_ += n
            if sent >= n:
                sent -= n
                continue
            memcpy(to, piece + sent, n - sent)
            to += n - sent
            sent = 0
        self.release()
        self.buffer = fresh
        self.capacity = left + SLACK
        self.end = left
        self.nlent = 0
        self.lent_bytes = 0
        return 0

    cdef int push(self) except -1:
        """Send what is there; the owner learns when the socket is full."""
        self.write()
        if self.blocked and not self.closed:
            self.owner.on_blocked()
        return 0

    def send(self):
        """Write to the socket now, which is writable again; returns how many bytes are pending still."""
        if not self.closed and self.fd >= 0 and waiting(self):
            self.blocked = False
            self.write()
        return <int64_t> waiting(self)

    cdef int write(self) except -1:
        cdef ssize_t n
        cdef int code
        if self.nlent:
            self.write_lent()
            if self.closed:
                return 0
        while self.end > self.start:
            n = c_send(self.fd, self.buffer + self.start, self.end - self.start, MSG_NOSIGNAL)
            if n >= 0:
                self.start += n
                self.sent_bytes += n
                continue
            code = errno
            if code == EINTR:
                continue
            if code == EAGAIN:
                self.blocked = True
                return 0
            self.close()
            self.owner.on_broken(code)
            return 0
        self.release()
        return 0

    def take(self, Py_ssize_t most=-1):
        """What is pending, for an owner that sends it another way: all of it, or `most` bytes."""
        cdef bytes data
        cdef size_t n
        if self.nlent:
            self.own(0)
        n = self.end - self.start
        if 0 <= most < <Py_ssize_t> n:
            n = most
        data = PyBytes_FromStringAndSize(self.buffer + self.start, n)
        self.sent_bytes += n
        self.start += n
        if self.start == self.end:
            self.release()
        return data

    def close(self):
        """Drop what is pending and refuse more."""
        self.closed = True
        self.nlent = 0
        self.lent_bytes = 0
        self.release()
