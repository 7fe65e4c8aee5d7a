# What the load loops of JetStream see of the core's: counting frames on a stream, and the clock.

cdef enum:
    LINE_ROOM = 4096        # the longest control line taken; a server's INFO is read before these loops start
    RECV_ROOM = 1 << 18

    FINE = 0
    RUBBISH = 1             # not the NATS protocol
    REFUSED = 2             # the server sent -ERR
    GONE = 3                # end of stream or a socket error
    LATE = 4                # the deadline passed first

cdef struct Stream:
    int fd
    Py_ssize_t rest         # bytes of the current payload and its CRLF still to come; 0 between frames
    Py_ssize_t held         # bytes of an unfinished control line in `line`
    long long messages
    long long payload_bytes
    long long pongs
    char line[LINE_ROOM]

cdef long long now_ns() noexcept nogil
cdef bint try_again() noexcept nogil
cdef int count_frames(Stream* stream, const char* at, const char* end) noexcept nogil
cdef object trouble(int verdict, Stream* stream)
cdef void wake_often(int fd) noexcept nogil
