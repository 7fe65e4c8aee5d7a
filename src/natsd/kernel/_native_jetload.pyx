# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The inner loops of a JetStream load generator, without the interpreter lock: publish and await acknowledgements.

Like _native_load: sockets are opened, greeted and subscribed by somebody else; what is measured is bench's business.
"""

from libc.errno cimport errno
from libc.stdlib cimport calloc, free, malloc

from natsd.kernel._native_load cimport (
    FINE, GONE, LATE, RECV_ROOM, REFUSED, Stream, count_frames, now_ns, trouble, try_again,
)


cdef extern from *:
    """
    #ifdef MSG_NOSIGNAL
    #define JETLOAD_SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)
    #else
    #define JETLOAD_SEND_FLAGS MSG_DONTWAIT
    #endif
    """
    int JETLOAD_SEND_FLAGS

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int fd, const void* buf, size_t size, int flags)
    ssize_t recv(int fd, void* buf, size_t size, int flags)
    int MSG_DONTWAIT

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long nfds, int timeout)
    short POLLIN, POLLOUT

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t size, const void* needle, size_t needle_size)


def publish_acked(int fd, const unsigned char[::1] block not None, const long long[::1] ends not None,
                  long long window, *, long long messages=0, long long duration_ns=0, long long deadline_ns=0,
                  long long start=0):
    """Publish the frames of a block, again and again, with at most `window` unacknowledged; returns
    (messages, first_ns, last_ns), the last being when the last acknowledgement had come.

    ends: where each frame of the block ends. It ends after `messages`, or when `duration_ns` is over and everything is
    acknowledged. start: the frame of the block to begin with. ValueError where an acknowledgement is an error,
    TimeoutError at `deadline_ns` (monotonic clock), ConnectionError when the server hangs up.
    """
    cdef Py_ssize_t count = ends.shape[0], at = start % count, stop
    cdef long long begin = ends[at - 1] if at else 0, finish
    cdef long long sent = 0, began, last, most
    cdef Stream* stream = <Stream*>calloc(1, sizeof(Stream))
    cdef char* buffer = <char*>malloc(RECV_ROOM)
    cdef const char* data = <const char*>&block[0]
    cdef pollfd ready
    cdef ssize_t done
    cdef int verdict = FINE
    cdef bint over = False
    if stream == NULL or buffer == NULL:
        free(stream)
        free(buffer)
        raise MemoryError
    stream.fd = ready.fd = fd
    finish = begin  # bytes up to here may be sent: whole frames that the window has room for
    try:
        with nogil:
            began = last = now_ns()
            while verdict == FINE:
                if not over and ((messages > 0 and sent >= messages)
                                 or (duration_ns > 0 and last - began >= duration_ns)):
                    over = True
                if over and begin == finish and stream.messages >= sent:
                    break
                if not over and begin == finish:
                    most = window - (sent - stream.messages)
                    if messages > 0 and most > messages - sent:
                        most = messages - sent
                    # In portions, as clients write: a frame for each acknowledgement would measure system calls.
                    if most >= window // 8 or (messages > 0 and most > 0 and most >= messages - sent):
                        if at == count:
                            at = 0
                            begin = 0
                        stop = at + most if at + most < count else count
                        sent += stop - at
                        at = stop
                        finish = ends[stop - 1]
                if begin < finish:
                    done = send(fd, data + begin, finish - begin, JETLOAD_SEND_FLAGS)
                    if done > 0:
                        begin += done
                    elif done < 0 and not try_again():
                        verdict = GONE
                        break
                ready.events = POLLIN if begin == finish else POLLIN | POLLOUT
                if begin == finish and sent - stream.messages <= window - window // 8 and not over and at < count:
                    continue
                if poll(&ready, 1, 100) > 0 and ready.revents & ~POLLOUT:
                    done = recv(fd, buffer, RECV_ROOM, MSG_DONTWAIT)
                    if done > 0:
                        if memmem(buffer, done, b'"error"', 7) != NULL:
                            verdict = REFUSED
                            stream.held = done if done < 300 else 300
                            for stop in range(stream.held):
                                stream.line[stop] = buffer[stop]
                            break
                        verdict = count_frames(stream, buffer, buffer + done)
                    elif done == 0 or not try_again():
                        verdict = GONE
                last = now_ns()
                if verdict == FINE and deadline_ns > 0 and last > deadline_ns:
                    verdict = LATE
        if verdict != FINE:
            raise trouble(verdict, stream)
        return sent, began, last
    finally:
        free(stream)
        free(buffer)


def fetch_all(int fd, bytes pull not None, long long batch, long long messages, long long deadline_ns):
    """Send a pull request for `batch` messages, take them, and so on until `messages` came; returns (first_ns, last_ns)."""
    cdef Stream* stream = <Stream*>calloc(1, sizeof(Stream))
    cdef char* buffer = <char*>malloc(RECV_ROOM)
    cdef const char* data = pull
    cdef Py_ssize_t size = len(pull)
    cdef long long began, last, wanted = 0
    cdef ssize_t done
    cdef pollfd ready
    cdef int verdict = FINE
    if stream == NULL or buffer == NULL:
        free(stream)
        free(buffer)
        raise MemoryError
    stream.fd = ready.fd = fd
    ready.events = POLLIN
    try:
        with nogil:
            began = last = now_ns()
            while verdict == FINE and stream.messages < messages:
                if stream.messages >= wanted:
                    wanted += batch
                    if send(fd, data, size, JETLOAD_SEND_FLAGS) != size:
                        verdict = GONE
                        break
                if poll(&ready, 1, 100) > 0:
                    done = recv(fd, buffer, RECV_ROOM, MSG_DONTWAIT)
                    if done > 0:
                        verdict = count_frames(stream, buffer, buffer + done)
                    elif done == 0 or not try_again():
                        verdict = GONE
                last = now_ns()
                if verdict == FINE and last > deadline_ns:
                    verdict = LATE
        if verdict != FINE:
            raise trouble(verdict, stream)
        return began, last
    finally:
        free(stream)
        free(buffer)
