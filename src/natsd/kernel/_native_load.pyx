# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The inner loops of a load generator, without the interpreter lock: publish, receive, request, respond.

They read and write blocking stream sockets that somebody else opened and greeted; what is measured and how the
processes are arranged is the business of `bench/`.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memmove

from posix.types cimport suseconds_t


cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long nfds, int timeout)
    short POLLIN

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int fd, const void* buf, size_t size, int flags)
    ssize_t recv(int fd, void* buf, size_t size, int flags)
    int setsockopt(int fd, int level, int name, const void* value, unsigned int size)
    int SOL_SOCKET, SO_RCVTIMEO, MSG_DONTWAIT

cdef extern from "<sys/time.h>" nogil:
    struct timeval:
        long tv_sec
        suseconds_t tv_usec

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* now)
    int nanosleep(const timespec* length, timespec* rest)
    int CLOCK_MONOTONIC

cdef extern from *:
    """
    #ifdef MSG_NOSIGNAL
    #define LOAD_SEND_FLAGS MSG_NOSIGNAL
    #else
    #define LOAD_SEND_FLAGS 0
    #endif
    /* Shared with other processes: plain loads and stores would let the compiler keep a counter in a register. */
    static inline long long cell_load(const long long *cell) { return __atomic_load_n(cell, __ATOMIC_ACQUIRE); }
    static inline void cell_store(long long *cell, long long value) { __atomic_store_n(cell, value, __ATOMIC_RELEASE); }
    """
    int LOAD_SEND_FLAGS
    long long cell_load(const long long* cell) nogil
    void cell_store(long long* cell, long long value) nogil


cdef enum:
    CELL_STEP = 8           # one counter per cache line of 64 bytes
    WAIT_MS = 20            # how often a silent receiver looks whether the run is over


cdef long long now_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cdef bint try_again() noexcept nogil:
    return errno == EAGAIN or errno == EINTR


cdef class Tally:
    """Counters in memory that several processes share, one cache line each.

    `memory` is a writable buffer (an anonymous shared `mmap`) of at least `64 * slots` bytes.
    """

    cdef long long[::1] _cells
    cdef readonly Py_ssize_t slots

    def __init__(self, memory):
        self._cells = memoryview(memory).cast("q")
        self.slots = self._cells.shape[0] // CELL_STEP

    def __getitem__(self, Py_ssize_t slot):
        return cell_load(self._cell(slot))

    def __setitem__(self, Py_ssize_t slot, long long value):
        cell_store(self._cell(slot), value)

    cdef long long* _cell(self, Py_ssize_t slot) except NULL:
        if slot < 0 or slot >= self.slots:
            raise IndexError(slot)
        return &self._cells[slot * CELL_STEP]


cdef inline long long cells_sum(const long long* first, Py_ssize_t count) noexcept nogil:
    cdef long long total = 0
    cdef Py_ssize_t i
    for i in range(count):
        total += cell_load(first + i * CELL_STEP)
    return total


cdef Py_ssize_t frame_size(const char* line, Py_ssize_t size) noexcept nogil:
    """The last number of a MSG or HMSG line without its CRLF, or -1."""
    cdef Py_ssize_t at = size - 1, value = 0, scale = 1
    cdef int digits = 0
    while at > 0 and c'0' <= line[at] <= c'9':
        digits += 1
        if digits > 10:
            return -1
        value += (line[at] - c'0') * scale
        scale *= 10
        at -= 1
    if digits == 0 or line[at] != c' ':
        return -1
    return value


cdef int take_line(Stream* stream, const char* line, Py_ssize_t size) noexcept nogil:
    """Act on one control line including its LF."""
    cdef Py_ssize_t total
    if size < 4 or line[size - 2] != c'\r':
        return RUBBISH
    if (size > 8 and memcmp(line, b"MSG ", 4) == 0) or (size > 10 and memcmp(line, b"HMSG ", 5) == 0):
        total = frame_size(line, size - 2)
        if total < 0:
            return RUBBISH
        stream.payload_bytes += total
        stream.rest = total + 2
        return FINE
    if memcmp(line, b"PING", 4) == 0:
        return FINE if send(stream.fd, b"PONG\r\n", 6, LOAD_SEND_FLAGS) == 6 else GONE
    if memcmp(line, b"PONG", 4) == 0:
        stream.pongs += 1
        return FINE
    if memcmp(line, b"+OK", 3) == 0 or memcmp(line, b"INFO", 4) == 0:
        return FINE
    return REFUSED if memcmp(line, b"-ERR", 4) == 0 else RUBBISH


cdef int count_frames(Stream* stream, const char* at, const char* end) noexcept nogil:
    """Scan received bytes: verbs, sizes and both CRLFs of every frame are checked, payloads are skipped."""
    cdef const char* stop
    cdef Py_ssize_t size
    cdef int verdict
    while at < end:
        if stream.rest > 2:
            size = end - at
            if size > stream.rest - 2:
                size = stream.rest - 2
            at += size
            stream.rest -= size
        elif stream.rest == 2:
            if at[0] != c'\r':
                return RUBBISH
            at += 1
            stream.rest = 1
        elif stream.rest == 1:
            if at[0] != c'\n':
                return RUBBISH
            at += 1
            stream.rest = 0
            stream.messages += 1
        else:
            stop = <const char*>memchr(at, c'\n', end - at)
            size = (stop + 1 if stop != NULL else end) - at
            if stop != NULL and stream.held == 0:
                verdict = take_line(stream, at, size)
            else:
                if stream.held + size > LINE_ROOM:
                    return RUBBISH
                memcpy(stream.line + stream.held, at, size)
                stream.held += size
                if stop == NULL:
                    return FINE
                verdict = take_line(stream, stream.line, stream.held)
                if verdict == FINE:
                    stream.held = 0
            at += size
            if verdict != FINE:
                if stream.held == 0:
                    stream.held = size if size < LINE_ROOM else LINE_ROOM
                    memcpy(stream.line, at - size, stream.held)
                return verdict
            # Most frames lie in the buffer whole: step over the payload at once.
            if 0 < stream.rest <= end - at:
                at += stream.rest
                if (at - 2)[0] != c'\r' or (at - 1)[0] != c'\n':
                    return RUBBISH
                stream.rest = 0
                stream.messages += 1
    return FINE


cdef object trouble(int verdict, Stream* stream):
    """The exception for a verdict that is not FINE."""
    cdef bytes line = stream.line[:stream.held]
    if verdict == GONE:
        return ConnectionError(f"the server closed the connection after {stream.messages} messages")
    if verdict == LATE:
        return TimeoutError(f"only {stream.messages} messages came before the deadline")
    return ValueError(f"the server sent {line!r} after {stream.messages} messages")


cdef void wake_often(int fd) noexcept nogil:
    cdef timeval wait
    wait.tv_sec = 0
    wait.tv_usec = WAIT_MS * 1000
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait))


cdef int send_all(int fd, const char* data, Py_ssize_t size) noexcept nogil:
    cdef ssize_t done
    while size > 0:
        done = send(fd, data, size, LOAD_SEND_FLAGS)
        if done < 0:
            if errno == EINTR:
                continue
            return GONE
        data += done
        size -= done
    return FINE


def publish(int fd, const unsigned char[::1] block not None, long long frames, Tally tally not None, Py_ssize_t slot,
            *, long long blocks=0, long long duration_ns=0, long long window=0, long long fan_out=1,
            publishers=(0, 0), receivers=(0, 0)):
    """Send a prebuilt block of `frames` PUB frames again and again; returns (messages, first_ns, last_ns).

    It ends after `blocks` blocks or at the first block boundary after `duration_ns`. With `window` it waits while
    more than that many messages of all publishers are on their way; `publishers` and `receivers` are
    (first slot, number of slots) in `tally`, `fan_out` the deliveries that each message becomes.
    ConnectionError when the server hangs up.
    """
    cdef long long sent = 0, began, ended
    cdef long long* mine = tally._cell(slot)
    cdef long long* firsts[2]
    cdef Py_ssize_t counts[2]
    cdef Py_ssize_t size = block.shape[0]
    cdef const char* data = <const char*>&block[0]
    cdef int verdict = FINE
    cdef timespec nap
    nap.tv_sec = 0
    nap.tv_nsec = 20000
    firsts[0] = firsts[1] = mine
    counts[0] = counts[1] = 0
    if window:
        firsts[0], counts[0] = tally._cell(publishers[0]), publishers[1]
        firsts[1], counts[1] = tally._cell(receivers[0]), receivers[1]
        tally._cell(publishers[0] + publishers[1] - 1)
        tally._cell(receivers[0] + receivers[1] - 1)
    with nogil:
        began = ended = now_ns()
        while verdict == FINE:
            if blocks > 0 and sent >= blocks * frames:
                break
            if duration_ns > 0 and ended - began >= duration_ns:
                break
            while window > 0 and (cells_sum(firsts[0], counts[0]) - cells_sum(firsts[1], counts[1]) // fan_out
                                  > window - frames):
                nanosleep(&nap, NULL)
                if duration_ns > 0 and now_ns() - began > 4 * duration_ns:
                    verdict = LATE
                    break
            if verdict == FINE:
                verdict = send_all(fd, data, size)
                sent += frames
                cell_store(mine, sent)
                ended = now_ns()
    if verdict == LATE:
        raise TimeoutError("the window stayed full: messages were lost")
    if verdict != FINE:
        raise ConnectionError(f"the server closed the connection after about {sent} messages")
    return sent, began, ended


def receive(fds, Tally tally not None, Py_ssize_t slot, Py_ssize_t goal, long long deadline_ns, *, group=None):
    """Count MSG and HMSG frames on one or many sockets; returns (messages of each, payload bytes, first_ns, last_ns).

    It ends when the sum of the receivers' counters (`group`: first slot and number; default the own one) reaches the
    number in slot `goal`, which stays negative until somebody knows it, or with TimeoutError at `deadline_ns` on the
    monotonic clock. `slot` is kept up to date after every read. ConnectionError when the server hangs up, ValueError
    when it sends an error or rubbish.
    """
    cdef Py_ssize_t count = len(fds), i
    cdef Stream* streams = <Stream*>calloc(count, sizeof(Stream))
    cdef pollfd* ready = <pollfd*>calloc(count, sizeof(pollfd))
    cdef char* buffer = <char*>malloc(RECV_ROOM)
    cdef long long* mine = tally._cell(slot)
    cdef long long* target = tally._cell(goal)
    cdef long long* first_of_group = tally._cell(group[0] if group else slot)
    cdef Py_ssize_t group_size = group[1] if group else 1
    cdef long long total = 0, before, first = 0, last = 0, wanted
    cdef Py_ssize_t got, failed = 0
    cdef int verdict = FINE, waiting
    tally._cell((group[0] if group else slot) + group_size - 1)
    if streams == NULL or ready == NULL or buffer == NULL:
        free(streams); free(ready); free(buffer)
        raise MemoryError
    for i in range(count):
        streams[i].fd = ready[i].fd = fds[i]
        ready[i].events = POLLIN
    if count == 1:
        wake_often(streams[0].fd)
    try:
        with nogil:
            while verdict == FINE:
                waiting = 1
                if count > 1:
                    waiting = poll(ready, count, WAIT_MS)
                i = 0
                while waiting > 0 and i < count:
                    if count > 1 and ready[i].revents == 0:
                        i += 1
                        continue
                    got = recv(streams[i].fd, buffer, RECV_ROOM, MSG_DONTWAIT if count > 1 else 0)
                    if got > 0:
                        before = streams[i].messages
                        verdict = count_frames(&streams[i], buffer, buffer + got)
                        total += streams[i].messages - before
                        if streams[i].messages != before:
                            last = now_ns()
                            if first == 0:
                                first = last
                    elif got == 0 or not try_again():
                        verdict = GONE
                    elif count == 1:
                        waiting = 0
                    if verdict != FINE:
                        failed = i
                        break
                    i += 1
                cell_store(mine, total)
                wanted = cell_load(target)
                if wanted >= 0 and cells_sum(first_of_group, group_size) >= wanted:
                    break
                if verdict == FINE and waiting <= 0 and now_ns() > deadline_ns:
                    verdict = LATE
        if verdict != FINE:
            raise trouble(verdict, &streams[failed])
        return ([streams[i].messages for i in range(count)], sum([streams[i].payload_bytes for i in range(count)]),
                first, last)
    finally:
        free(streams)
        free(ready)
        free(buffer)


def request(int fd, const unsigned char[::1] frame not None, long long[::1] latencies_ns not None,
            long long deadline_ns):
    """Send `frame` (a PUB with a reply subject), wait for one message, note the nanoseconds; once per array item."""
    cdef Stream* stream = <Stream*>calloc(1, sizeof(Stream))
    cdef char* buffer = <char*>malloc(RECV_ROOM)
    cdef Py_ssize_t i, got
    cdef long long began
    cdef int verdict = FINE
    if stream == NULL or buffer == NULL:
        free(stream); free(buffer)
        raise MemoryError
    stream.fd = fd
    wake_often(fd)
    try:
        with nogil:
            for i in range(latencies_ns.shape[0]):
                began = now_ns()
                verdict = send_all(fd, <const char*>&frame[0], frame.shape[0])
                while verdict == FINE and stream.messages == i:
                    got = recv(fd, buffer, RECV_ROOM, 0)
                    if got > 0:
                        verdict = count_frames(stream, buffer, buffer + got)
                    elif got == 0 or not try_again():
                        verdict = GONE
                    elif now_ns() > deadline_ns:
                        verdict = LATE
                if verdict != FINE:
                    break
                latencies_ns[i] = now_ns() - began
        if verdict != FINE:
            raise trouble(verdict, stream)
    finally:
        free(stream)
        free(buffer)


cdef const char* reply_of(const char* line, Py_ssize_t size, Py_ssize_t* reply_size) noexcept nogil:
    """The third of the four words after MSG in a line without CRLF, or NULL when there are not four."""
    cdef Py_ssize_t at, spaces = 0, begin = 0, end = 0
    for at in range(size):
        if line[at] == c' ':
            spaces += 1
            if spaces == 3:
                begin = at + 1
            elif spaces == 4:
                end = at
    reply_size[0] = end - begin
    return line + begin if spaces == 4 else NULL


def respond(int fd, bytes payload not None, Tally tally not None, Py_ssize_t stop, bytes verb not None=b"PUB "):
    """Answer every request on a socket with `payload` until slot `stop` is not negative; returns the number."""
    cdef Py_ssize_t verb_size = len(verb), reply_size = 0
    cdef bytes rest = b" %d\r\n%b\r\n" % (len(payload), payload)
    cdef const char* tail = rest
    cdef Py_ssize_t tail_size = len(rest), held = 0, size, got
    cdef char* buffer = <char*>malloc(RECV_ROOM)
    cdef char* out = <char*>malloc(verb_size + LINE_ROOM + tail_size)
    cdef long long* stopped = tally._cell(stop)
    cdef const char* at
    cdef const char* reply
    cdef const char* line_end
    cdef const char* end
    cdef long long answered = 0
    cdef int verdict = FINE
    if buffer == NULL or out == NULL:
        free(buffer); free(out)
        raise MemoryError
    memcpy(out, <const char*>verb, verb_size)
    wake_often(fd)
    try:
        with nogil:
            while verdict == FINE and cell_load(stopped) < 0:
                got = recv(fd, buffer + held, RECV_ROOM - held, 0)
                if got <= 0:
                    if got == 0 or not try_again():
                        verdict = GONE
                    continue
                at = buffer
                end = buffer + held + got
                while verdict == FINE and at < end:
                    line_end = <const char*>memchr(at, c'\n', end - at)
                    if line_end == NULL:
                        break
                    if line_end - at > LINE_ROOM - 8 or line_end - at < 3:
                        verdict = RUBBISH
                    elif memcmp(at, b"MSG ", 4) == 0:
                        size = frame_size(at, line_end - 1 - at)
                        if size < 0 or size > RECV_ROOM - LINE_ROOM:
                            verdict = RUBBISH
                            break
                        if end - line_end - 1 < size + 2:
                            break
                        reply = reply_of(at, line_end - 1 - at, &reply_size)
                        if reply != NULL:
                            memcpy(out + verb_size, reply, reply_size)
                            memcpy(out + verb_size + reply_size, tail, tail_size)
                            verdict = send_all(fd, out, verb_size + reply_size + tail_size)
                            answered += 1
                        at = line_end + size + 3
                    elif memcmp(at, b"-ERR", 4) == 0:
                        verdict = REFUSED
                    else:
                        if memcmp(at, b"PING", 4) == 0:
                            verdict = send_all(fd, b"PONG\r\n", 6)
                        at = line_end + 1
                held = end - at
                if held == RECV_ROOM:
                    verdict = RUBBISH
                memmove(buffer, at, held)
        if verdict == GONE:
            raise ConnectionError(f"the server closed the connection after {answered} requests")
        if verdict == RUBBISH or verdict == REFUSED:
            raise ValueError(f"the server sent an error or rubbish after {answered} requests")
        return answered
    finally:
        free(buffer)
        free(out)
