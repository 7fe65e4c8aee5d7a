# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_inbound`: what a client's bytes mean. The scanner's rules are stated there."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from natsd.kernel._native_feed cimport Feed
from natsd.kernel._native_interest cimport Subscription
from natsd.kernel._native_ops cimport (
    BAD_ARGS, BAD_CONTROL_LINE, BAD_HEADERS_OFF, BAD_MAX_PAYLOAD, BAD_VERB, CONNECT, DENIED, DENIED_REPLY, EARLY, ERR,
    INFO, PEDANTIC, PING, PONG, SUB, UNSUB
)
from natsd.kernel._native_road cimport Outbound, Road
from natsd.kernel._native_matches cimport Match, release_match
from natsd.kernel._native_sublist cimport Message, Sublist
from natsd.kernel._native_verdicts cimport Verdicts
from natsd.kernel._native_words cimport (
    V_CONNECT, V_ERR, V_HPUB, V_INFO, V_OK, V_PING, V_PONG, V_PUB, V_SUB, V_UNSUB, VERB_SIZES, Word, literal, reserved,
    size_of, split, verb_of
)

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Whether four bytes are "PUB " in any case. */
    static inline int natsd_is_pub(const char *p) {
        uint32_t word;
        memcpy(&word, p, 4);
        uint32_t wanted;
        memcpy(&wanted, "pub ", 4);
        uint32_t fold;
        memcpy(&fold, "\\x20\\x20\\x20\\x00", 4);
        return (word | fold) == wanted;
    }
    """
    bint natsd_is_pub(const char* p) nogil

@cython.final
cdef class Inbound(Feed):
    """One connection's way in. `owner` applies the ops (see `natsd.protocol.ops`) and owns the socket."""

    cdef readonly Outbound outbound
    cdef public Sublist sublist
    cdef public bint gate, verbose, pedantic, echo, headers, no_responders, first_ping
    cdef public int64_t max_payload
    cdef object _publish_check
    cdef public object reply_check
    cdef public int64_t in_msgs, in_bytes
    cdef Verdicts verdicts
    cdef Match* last  # the result for the last subject published to, usually that of the next; NULL for none
    cdef uint64_t last_version
    cdef bint told

    def __init__(self, Road road not None, Outbound outbound not None, Sublist sublist not None, owner):
        self.road = road
        self.outbound = outbound
        self.sublist = sublist
        self.owner = owner
        self.verbose = True
        self.pedantic = True
        self.echo = True
        self.first_ping = True
        self.max_payload = -1
        self.last_ns = 0
        self._publish_check = None
        # Asked again for every message that publish_check does not permit; None where nothing more is.
        self.reply_check = None

    def __dealloc__(self):
        self.forget_last()

    @property
    def publish_check(self):
        """The permission hook: asked once per subject, which is then remembered; None permits everything."""
        return self._publish_check

    @publish_check.setter
    def publish_check(self, value):
        self._publish_check = value
        self.forget_last()
        self.verdicts = None if value is None else Verdicts(value, self.road.seed)

    def forget_permissions(self):
        """Drop the cached verdicts of `publish_check`."""
        self.forget_last()
        if self.verdicts is not None:
            self.verdicts.clear()

    cdef void forget_last(self) noexcept:
        if self.last != NULL:
            release_match(self.last)
            self.last = NULL

    cdef void drop(self) noexcept:
        self.forget_last()
        Feed.drop(self)

    # -- the scanner

    cdef size_t scan(self, const char* base, size_t n, bint* stop) except? 0:
        """Scan from `base`; returns how many bytes are done with. Sets `need` where a frame's size is known."""
        cdef const char* p = base
        cdef const char* end = base + n
        cdef const char* q
        cdef const char* subject
        cdef const char* reply
        cdef size_t subject_size, reply_size
        cdef int64_t size, limit
        cdef int code, digits
        cdef size_t total
        cdef Match* last
        while p < end:
            if natsd_is_pub_at(p, end) and not self.gate:
                if self.ops is not None:
                    stop[0] = True
                    return p - base
                # The common forms, `subject size` and `subject reply size`, are read on the way; others go to `line`.
                q = p + 4
                subject = q
                last = self.last
                if last != NULL and <size_t> (end - q) > last.size and q[last.size] == c' ' and memcmp(
                        q, last.subject, last.size) == 0:
                    q += last.size
                else:
                    while q < end and q[0] > c' ':
                        q += 1
                subject_size = q - subject
                if q < end and q[0] == c' ' and subject_size:
                    q += 1
                    reply = NULL
                    reply_size = 0
                    size = 0
                    digits = 0
                    while q < end and c'0' <= q[0] <= c'9' and digits < 10:
                        size = size * 10 + (q[0] - c'0')
                        q += 1
                        digits += 1
                    if q < end and q[0] != c'\r' and q[0] > c' ':
                        reply = subject + subject_size + 1
                        while q < end and q[0] > c' ':
                            q += 1
                        reply_size = q - reply
                        digits = 0
                        if q < end and q[0] == c' ':
                            q += 1
                            size = 0
                            while q < end and c'0' <= q[0] <= c'9' and digits < 10:
                                size = size * 10 + (q[0] - c'0')
                                q += 1
                                digits += 1
                    if 0 < digits < 10 and q + 1 < end and q[0] == c'\r' and q[1] == c'\n' and \
                            q - subject <= self.road.max_control_line:
                        q += 2
                        limit = self.road.max_payload if self.max_payload < 0 else self.max_payload
                        if size > limit:
                            self.bad_payload(size)
                            return p - base
                        if end - q < size + 2:
                            if end - q > size and q[size] != c'\r':
                                self.bad(BAD_VERB, q + size, end - q - size)
                                return p - base
                            self.need = q - p + size + 2
                            return p - base
                        if q[size] != c'\r' or q[size + 1] != c'\n':
                            self.bad(BAD_VERB, q + size, end - q - size)
                            return p - base
                        if self.road.trace is not None and not self.told:
                            self.trace(b"PUB ", subject, q - 2 - subject, q, size)
                        self.message(subject, subject_size, reply, reply_size, q, 0, size, q - 2 - digits, digits)
                        if self.told:
                            stop[0] = True
                            return p - base
                        p = q + size + 2
                        if self.ops is not None:
                            stop[0] = True
                            return p - base
                        continue
            if self.gate and p[0] != c'C' and p[0] != c'c':
                if self.ops is None:
                    self.add_op((EARLY,))
                stop[0] = True
                return p - base
            code = verb_of(p, end - p)
            if code == -2:
                return p - base
            if code == -1:
                self.bad(BAD_VERB, p, end - p)
                return p - base
            total = self.line(code, p, end, stop)
            if total == 0:
                return p - base
            p += total
            if stop[0]:
                return p - base
        return p - base

    cdef int bad_payload(self, int64_t size) except -1:
        cdef bytes digits = b"%d" % size
        return self.bad(BAD_MAX_PAYLOAD, PyBytes_AS_STRING(digits), PyBytes_GET_SIZE(digits))

    cdef size_t line(self, int code, const char* p, const char* end, bint* stop) except? 0:
        """Scan one thing whose verb is known; 0 where it must wait or ended, else how long it was."""
        cdef const char* args = p + VERB_SIZES[code]
        cdef const char* newline
        cdef size_t n
        if code >= V_PING:
            # Whatever stands between such a verb and the newline is passed over, however long.
            newline = <const char*> memchr(args, c'\n', end - args) if args < end else NULL
            if newline == NULL:
                self.shorten(p, VERB_SIZES[code], end - p)
                return 0
            if code == V_PING:
                if self.first_ping:
                    self.add_op((PING,))
                elif self.ops is not None:
                    stop[0] = True
                    return 0
                else:
                    self.outbound.put_bytes(b"PONG\r\n", 6)
            elif code == V_PONG:
                self.add_op((PONG,))
            if self.road.trace is not None:
                self.trace(b"PING" if code == V_PING else b"PONG" if code == V_PONG else b"+OK", NULL, 0, NULL, 0)
            return newline + 1 - p
        if code != V_CONNECT and code != V_INFO:
            if args == end:
                return 0
            if args[0] != c' ' and args[0] != c'\t':
                self.bad(BAD_VERB, p, end - p)
                return 0
        if (code == V_PUB or code == V_HPUB) and self.ops is not None:
            stop[0] = True
            return 0
        while args < end and (args[0] == c' ' or args[0] == c'\t'):
            args += 1
        if args == end:
            if args - p > 16:
                self.shorten(p, 9, end - p)  # a run of blanks need not be kept
            return 0
        newline = <const char*> memchr(args, c'\n', end - args)
        if newline == NULL:
            if end - args > self.road.max_control_line + ((end - 1)[0] == c'\r'):
                self.bad(BAD_CONTROL_LINE, args, end - args)
            return 0
        n = newline - args
        if n and args[n - 1] == c'\r':
            n -= 1
        if <int64_t> n > self.road.max_control_line:
            self.bad(BAD_CONTROL_LINE, args, n)
            return 0
        if code == V_PUB or code == V_HPUB:
            return self.publish(code == V_HPUB, p, args, n, newline + 1, end, stop)
        self.control(code, args, n)
        if self.closed:
            return 0
        if code == V_CONNECT:
            stop[0] = True  # it decides how the rest is read
        return newline + 1 - p

    cdef int control(self, int code, const char* args, size_t n) except -1:
        cdef Word words[4]
        cdef int count
        if code == V_SUB:
            count = split(args, n, words, 3, True)
            if self.road.trace is not None:
                self.trace(b"SUB ", args, n, NULL, 0)
            if count == 2:
                return self.add_op((SUB, words[0].start[:words[0].size], None, words[1].start[:words[1].size]))
            if count == 3:
                return self.add_op((SUB, words[0].start[:words[0].size], words[1].start[:words[1].size],
                                    words[2].start[:words[2].size]))
            return self.bad(BAD_ARGS, args, n)
        if code == V_UNSUB:
            count = split(args, n, words, 2, True)
            if self.road.trace is not None:
                self.trace(b"UNSUB ", args, n, NULL, 0)
            if count == 1:
                return self.add_op((UNSUB, words[0].start[:words[0].size], -1))
            if count == 2:
                return self.add_op((UNSUB, words[0].start[:words[0].size], size_of(words[1].start, words[1].size)))
            return self.bad(BAD_ARGS, args, n)
        return self.add_op((CONNECT if code == V_CONNECT else INFO if code == V_INFO else ERR, args[:n]))

    cdef size_t publish(self, bint with_header, const char* p, const char* args, size_t n, const char* body,
                        const char* end, bint* stop) except? 0:
        """PUB and HPUB in any form."""
        cdef Word words[4]
        cdef int count
        cdef int64_t size, header_size = 0, limit
        cdef char sizes[20]
        cdef size_t digits
        if with_header and not self.headers:
            self.bad(BAD_HEADERS_OFF, args, n)
            return 0
        count = split(args, n, words, 4 if with_header else 3, False)
        if count - with_header != 2 and count - with_header != 3:
            self.bad(BAD_ARGS, args, n)
            return 0
        size = size_of(words[count - 1].start, words[count - 1].size)
        if with_header:
            header_size = size_of(words[count - 2].start, words[count - 2].size)
        if size < 0 or header_size < 0 or header_size > size:
            self.bad(BAD_ARGS, args, n)
            return 0
        limit = self.road.max_payload if self.max_payload < 0 else self.max_payload
        if size > limit:
            self.bad_payload(size)
            return 0
        if end - body < size + 2:
            if end - body > size and body[size] != c'\r':
                self.bad(BAD_VERB, body + size, end - body - size)
                return 0
            self.need = body - p + size + 2
            return 0
        if body[size] != c'\r' or body[size + 1] != c'\n':
            self.bad(BAD_VERB, body + size, end - body - size)
            return 0
        if self.road.trace is not None and not self.told:
            self.trace(b"HPUB " if with_header else b"PUB ", args, n, body, size)
        digits = 0
        if header_size:
            digits = words[count - 2].size
            memcpy(sizes, words[count - 2].start, digits)
            sizes[digits] = c' '
            digits += 1
        memcpy(sizes + digits, words[count - 1].start, words[count - 1].size)
        digits += words[count - 1].size  # two words of at most nine digits and a blank
        count -= 1 + with_header
        self.message(words[0].start, words[0].size, words[1].start if count == 2 else NULL,
                     words[1].size if count == 2 else 0, body, header_size, size, sizes, digits)
        if self.ops is not None:
            stop[0] = True
        return 0 if self.told else body + size + 2 - p

    cdef int trace(self, bytes verb, const char* args, size_t n, const char* payload, size_t size) except -1:
        self.road.trace.append((self.owner, b"<<-", verb + (args[:n] if args != NULL else b""),
                                payload[:size] if payload != NULL else None))
        return 0

    cdef int message(self, const char* subject, size_t subject_size, const char* reply, size_t reply_size,
                     const char* payload, size_t header_size, size_t size, const char* sizes,
                     size_t sizes_size) except -1:
        """One published message, all of it there with CRLF behind.

        A pedantic connection is told first, and the message scanned once more afterwards: then `told` is true.
        """
        cdef Road road = self.road
        cdef Sublist sublist = self.sublist
        cdef Match* match
        cdef Message message
        cdef int delivered = 0
        cdef bint known = True, passing = False
        if self.pedantic and not self.told and not literal(subject, subject_size):
            self.told = True
            return self.add_op((PEDANTIC, subject[:subject_size]))
        self.told = False
        self.heard = True
        self.in_msgs += 1
        self.in_bytes += size
        road.in_msgs += 1
        road.in_bytes += size
        sublist.in_msgs += 1
        sublist.in_bytes += size
        match = self.last
        if match != NULL and self.last_version == sublist.version and match.size == subject_size and memcmp(
                match.subject, subject, subject_size) == 0:
            match.refs += 1
        else:
            match = NULL
            known = False
            if sublist._mapper is not None:
                # What is allowed and what is told is about the subject that others see.
                match = sublist.look_up(subject, subject_size)
                subject = match.deliver_as
                subject_size = match.as_size
        try:
            if not known:
                if subject_size and (subject[0] == c'$' or subject[0] == c'_') and reserved(
                        subject, subject_size, road.reserved_subjects):
                    return self.add_op((DENIED, subject[:subject_size]))
                if self.verdicts is not None and not self.verdicts.allowed(subject, subject_size):
                    if self.reply_check is None or not self.reply_check(subject[:subject_size]):
                        return self.add_op((DENIED, subject[:subject_size]))
                    passing = True  # this time only: the next message is asked for again
            if reply != NULL and (reply[0] == c'$' or reply[0] == c'_') and reserved(
                    reply, reply_size, road.reserved_replies):
                return self.add_op((DENIED_REPLY, reply[:reply_size]))
            if self.verbose:
                self.outbound.put_bytes(b"+OK\r\n", 5)
            if not known:
                if match == NULL:
                    match = sublist.look_up(subject, subject_size)
                self.forget_last()
                if match.keep and not passing:
                    self.last = match
                    self.last_version = sublist.version
                    match.refs += 1
            if match.nplain or match.ngroups:
                message.reply = reply
                message.reply_size = reply_size
                message.payload = payload
                message.header_size = header_size
                message.size = size
                message.sizes = sizes
                message.sizes_size = sizes_size
                message.stays = self.holder is None
                message.brought = False
                delivered = sublist.deliver(match, &message, None if self.echo else self.outbound)
            if delivered == 0 and reply != NULL and self.no_responders:
                self.tell_no_responders(match.deliver_as[:match.as_size], reply[:reply_size])
        finally:
            if match != NULL:
                release_match(match)
        return 0

    cdef int tell_no_responders(self, bytes subject, bytes reply) except -1:
        cdef Subscription sub
        cdef bytes header, frame
        for sub in self.sublist.match(reply)[0]:
            if sub.outbound is self.outbound and (sub.filter is None or sub.filter.allows(reply)):
                header = b"NATS/1.0 503\r\nNats-Subject: %b\r\n\r\n" % subject
                frame = b"HMSG %b %b %d %d\r\n%b\r\n" % (reply, sub.sid, len(header), len(header), header)
                return self.outbound.put_bytes(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame))
        return 0


cdef inline bint natsd_is_pub_at(const char* p, const char* end) noexcept:
    return end - p >= 4 and natsd_is_pub(p)
