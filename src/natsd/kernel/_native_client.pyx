# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The scanner for what a server sends to a client, compiled: the same events as `_plain_client.py` for the same bytes.

1. A line or payload that a call leaves open is kept in one buffer of our own and finished by the next calls; a kept
   line remembers that it has no LF yet, a kept payload how many bytes are missing, so nothing is searched twice.
2. Numbers of a peer are read with at most eighteen digits and compared with the limits before they are added to anything.
3. Objects that may start a garbage collection are made only while no pointer into the kept buffer is in use.
"""

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy

cdef enum:
    MAX_LINE_BYTES = 1 << 20
    MAX_MESSAGE_BYTES = 0x7FFFFFFF
    MAX_DIGITS = 18
    MAX_WORDS = 5           # HMSG subject sid reply header-size total-size, the verb not counted
    SMALL = 1 << 16         # a kept buffer above this is given back when it was used

    OTHER = 0               # what a control line is
    MESSAGE = 1
    RUBBISH = 2


cdef struct Word:
    const char* at
    Py_ssize_t size


cdef struct Shape:
    Word subject
    Word reply              # size 0: none
    long long sid
    Py_ssize_t header       # -1: MSG
    Py_ssize_t total


cdef inline long long number(Word word) noexcept nogil:
    """A word of one to eighteen digits as a number, anything else as -1."""
    cdef long long value = 0
    cdef Py_ssize_t i
    if word.size == 0 or word.size > MAX_DIGITS:
        return -1
    for i in range(word.size):
        if word.at[i] < c'0' or word.at[i] > c'9':
            return -1
        value = value * 10 + (word.at[i] - c'0')
    return value


cdef inline bint is_gap(char letter) noexcept nogil:
    return letter == c' ' or letter == c'\t'


cdef inline bint is_msg(const char* at) noexcept nogil:
    return (at[0] | 32) == c'm' and (at[1] | 32) == c's' and (at[2] | 32) == c'g'


cdef int parse(const char* line, Py_ssize_t size, Shape* shape) noexcept nogil:
    """Read one control line without its LF; `shape` is filled when it is a MESSAGE."""
    cdef Word words[MAX_WORDS]
    cdef Py_ssize_t at = 0, start
    cdef int count = 0, with_header
    cdef long long sid, header, total
    if size > 0 and line[size - 1] == c'\r':
        size -= 1
    while at < size and not is_gap(line[at]):
        at += 1
    if at == 3 and is_msg(line):
        with_header = 0
    elif at == 4 and (line[0] | 32) == c'h' and is_msg(line + 1):
        with_header = 1
    else:
        return OTHER
    while at < size:
        if is_gap(line[at]):
            at += 1
            continue
        start = at
        while at < size and not is_gap(line[at]):
            at += 1
        if count == MAX_WORDS:
            return RUBBISH
        words[count].at = line + start
        words[count].size = at - start
        count += 1
    if count < 3 + with_header or count > 4 + with_header:
        return RUBBISH
    sid = number(words[1])
    total = number(words[count - 1])
    header = number(words[count - 2]) if with_header else -1
    if sid < 0 or total < 0 or total > MAX_MESSAGE_BYTES or header > total or (with_header and header < 0):
        return RUBBISH
    shape.subject = words[0]
    shape.reply = words[2]
    if count == 3 + with_header:
        shape.reply.size = 0
    shape.sid = sid
    shape.header = header
    shape.total = total
    return MESSAGE


cdef rubbish(const char* line, Py_ssize_t size):
    return ValueError("not a line of the protocol: " + repr(line[:min(size, 256)]))


cdef class ClientScanner:
    """Turns the server's bytes into events.

    Events: ``("MSG", sid, subject, reply | None, header | None, payload)``, ``("INFO", json)``, ``("PING",)``,
    ``("PONG",)``, ``("OK",)``, ``("ERR", text)``. Header is the raw block with its final empty line, text has no quotes.
    """

    cdef char* _kept            # an unfinished line, or the begin of a payload while _missing > 0
    cdef Py_ssize_t _kept_size
    cdef Py_ssize_t _kept_room
    cdef Py_ssize_t _missing    # bytes of the open payload and its CRLF still to come
    cdef bytes _subject         # of the open message; otherwise of the last one, which the next often repeats
    cdef bytes _reply
    cdef long long _sid
    cdef Py_ssize_t _header
    cdef Py_ssize_t _total

    def __cinit__(self):
        self._subject = b""

    def __dealloc__(self):
        free(self._kept)

    def feed(self, data):
        """Take bytes in any split, return the events that are complete. Raises ValueError on rubbish."""
        cdef Py_buffer view
        cdef list events = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self._scan(<const char*>view.buf, view.len, events, NULL, NULL)
        finally:
            PyBuffer_Release(&view)
        return events

    def skim(self, data):
        """Like feed for someone who only counts: (messages, their payload and header bytes, all other events)."""
        cdef Py_buffer view
        cdef list events = []
        cdef long long messages = 0, total = 0
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self._scan(<const char*>view.buf, view.len, events, &messages, &total)
        finally:
            PyBuffer_Release(&view)
        return messages, total, events

    cdef int _scan(self, const char* at, Py_ssize_t size, list events, long long* messages, long long* total) except -1:
        """Both ways to read: events of messages, or with `messages` only their number."""
        cdef const char* end = at + size
        cdef const char* stop
        cdef Shape shape
        cdef int kind
        while at < end:
            if self._missing > 0:
                at += self._take_body(at, end - at)
                if self._missing == 0:
                    if messages != NULL:
                        messages[0] += 1
                        total[0] += self._total
                        self._drop()
                    else:
                        events.append(self._kept_message())
                continue
            stop = <const char*>memchr(at, c'\n', end - at)
            if stop == NULL:
                self._keep_line(at, end - at)
                return 0
            if self._kept_size > 0:
                self._keep_line(at, stop - at)
                at = stop + 1
                kind = parse(self._kept, self._kept_size, &shape)
                if kind == MESSAGE:
                    self._open(&shape)
                    self._drop()
                elif kind == OTHER:
                    line = self._kept[:self._kept_size]
                    self._drop()
                    events.append(other_event(line))
                else:
                    raise rubbish(self._kept, self._kept_size)
                continue
            size = stop - at
            if size > MAX_LINE_BYTES:
                raise rubbish(at, size)
            kind = parse(at, size, &shape)
            if kind == OTHER:
                events.append(other_event(at[:size]))
            elif kind == RUBBISH:
                raise rubbish(at, size)
            elif shape.total > end - stop - 3:
                self._open(&shape)
            else:
                if stop[1 + shape.total] != c'\r' or stop[2 + shape.total] != c'\n':
                    raise rubbish(at, size)
                if messages != NULL:
                    messages[0] += 1
                    total[0] += shape.total
                else:
                    events.append(self._message(&shape, stop + 1))
                stop += shape.total + 2
            at = stop + 1
        return 0

    cdef tuple _message(self, Shape* shape, const char* body):
        """The event of a message that lies in the caller's bytes whole."""
        cdef bytes subject = self._subject_of(shape.subject)
        cdef object reply = None
        cdef object header = None
        cdef Py_ssize_t split = 0
        if shape.reply.size > 0:
            reply = PyBytes_FromStringAndSize(shape.reply.at, shape.reply.size)
        if shape.header >= 0:
            split = shape.header
            header = PyBytes_FromStringAndSize(body, split)
        payload = PyBytes_FromStringAndSize(body + split, shape.total - split)
        return ("MSG", shape.sid, subject, reply, header, payload)

    cdef bytes _subject_of(self, Word word):
        if PyBytes_GET_SIZE(self._subject) != word.size or memcmp(
            PyBytes_AS_STRING(self._subject), word.at, word.size
        ) != 0:
            self._subject = PyBytes_FromStringAndSize(word.at, word.size)
        return self._subject

    cdef int _open(self, Shape* shape) except -1:
        """A message whose payload is not all there begins."""
        self._subject_of(shape.subject)
        self._reply = None
        if shape.reply.size > 0:
            self._reply = PyBytes_FromStringAndSize(shape.reply.at, shape.reply.size)
        self._sid = shape.sid
        self._header = shape.header
        self._total = shape.total
        self._missing = shape.total + 2
        return 0

    cdef Py_ssize_t _take_body(self, const char* at, Py_ssize_t size) except -1:
        """Move bytes into the open message; the number taken. ValueError when its CRLF is none."""
        if size > self._missing:
            size = self._missing
        self._keep(at, size, self._total + 2)
        self._missing -= size
        if self._missing == 0 and memcmp(self._kept + self._total, b"\r\n", 2) != 0:
            raise rubbish(PyBytes_AS_STRING(self._subject), PyBytes_GET_SIZE(self._subject))
        return size

    cdef tuple _kept_message(self):
        """The event of the open message, which is complete."""
        cdef object header = None
        cdef object reply = self._reply
        cdef Py_ssize_t split = 0
        if self._header >= 0:
            split = self._header
            header = PyBytes_FromStringAndSize(self._kept, split)
        payload = PyBytes_FromStringAndSize(self._kept + split, self._total - split)
        self._reply = None
        self._drop()
        return ("MSG", self._sid, self._subject, reply, header, payload)

    cdef int _keep_line(self, const char* at, Py_ssize_t size) except -1:
        if size > MAX_LINE_BYTES - self._kept_size:
            if self._kept_size > 0:
                raise rubbish(self._kept, self._kept_size)
            raise rubbish(at, size)
        return self._keep(at, size, MAX_LINE_BYTES)

    cdef int _keep(self, const char* at, Py_ssize_t size, Py_ssize_t most) except -1:
        """Append to the kept bytes, which grow with what has come and not with what a peer has announced."""
        cdef Py_ssize_t room = self._kept_room
        cdef char* grown
        if size > room - self._kept_size:
            room = max(self._kept_size + size, min(2 * room, most), 256)
            grown = <char*>realloc(self._kept, room)
            if grown == NULL:
                raise MemoryError
            self._kept = grown
            self._kept_room = room
        if size > 0:
            memcpy(self._kept + self._kept_size, at, size)
            self._kept_size += size
        return 0

    cdef void _drop(self) noexcept:
        self._kept_size = 0
        if self._kept_room > SMALL:
            free(self._kept)
            self._kept = NULL
            self._kept_room = 0


cdef tuple other_event(bytes line):
    """The event of a control line that is no message."""
    verb, _, rest = line.removesuffix(b"\r").replace(b"\t", b" ").partition(b" ")
    verb = verb.upper()
    if verb == b"PING":
        return ("PING",)
    if verb == b"PONG":
        return ("PONG",)
    if verb == b"+OK":
        return ("OK",)
    rest = rest.strip()
    if verb == b"INFO":
        return ("INFO", rest)
    if verb != b"-ERR":
        raise rubbish(line, len(line))
    if len(rest) >= 2 and rest.startswith(b"'") and rest.endswith(b"'"):
        rest = rest[1 : len(rest) - 1]
    return ("ERR", rest)
