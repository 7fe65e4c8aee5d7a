# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_sublist`: the same surface. Here is delivery; which subscriptions match is in its base."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_SIZE

from natsd.kernel._native_interest cimport Subscription
from natsd.kernel._native_matches cimport Match, Matches, release_match
from natsd.kernel._native_road cimport Outbound, Road, room, waiting
from natsd.kernel._native_shadow cimport Carrier, Shadow

cdef enum:
    MOST_DIGITS = 18  # of a sequence in an acknowledgement
    ALIKE_SUBJECT = 240  # a message within these is rendered once for all its receivers
    ALIKE_TAIL = 1000
    EARLY_BYTES = 98304  # so much is sent at once, so that a receiver can begin while a read is still scanned
    LEND_BYTES = 4096  # a payload from this size on is not copied where the socket can take it at once


@cython.final
cdef class Sublist(Matches):
    """One account's subscriptions. `road` gives queue picks and takes local batches."""

    def publish(self, bytes subject not None, bytes reply, bytes header, bytes payload not None):
        """Deliver a message of the server's own, which no mapping changes; returns how many took it."""
        cdef Match* match = self.own_match(subject)
        try:
            return self.send(match, reply, header, payload, None, False)
        finally:
            release_match(match)

    def bring(self, bytes subject not None, bytes reply, bytes header, bytes payload not None, Outbound skip=None):
        """Deliver a message of another account; mappings hold for it. Returns how many took it.

        skip: a connection that is not to get it.
        """
        cdef Match* match = self.look_up(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))
        try:
            if match.nplain or match.ngroups:
                return self.send(match, reply, header, payload, skip, True)
            return 0
        finally:
            release_match(match)

    cdef int send(self, Match* match, bytes reply, bytes header, bytes payload, Outbound skip, bint brought) except -1:
        cdef bytes body, sizes
        cdef Message message
        memset(&message, 0, sizeof(message))
        message.brought = brought
        if reply is not None:
            message.reply = PyBytes_AS_STRING(reply)
            message.reply_size = PyBytes_GET_SIZE(reply)
        if header is not None:
            body = b"%b%b\r\n" % (header, payload)
            sizes = b"%d %d" % (len(header), len(body) - 2)
            message.header_size = PyBytes_GET_SIZE(header)
        else:
            body = payload + b"\r\n"
            sizes = b"%d" % len(payload)
        message.payload = PyBytes_AS_STRING(body)
        message.size = PyBytes_GET_SIZE(body) - 2
        message.sizes = PyBytes_AS_STRING(sizes)
        message.sizes_size = PyBytes_GET_SIZE(sizes)
        return self.deliver(match, &message, skip)

    def publish_acks(self, list batch not None, Py_ssize_t start, Py_ssize_t n, bytes prefix not None,
                     uint64_t first_seq, bytes suffix not None):
        """Answer those of batch[start : start + n] that have a reply: the i-th with prefix, first_seq + i, suffix."""
        cdef size_t prefix_size = PyBytes_GET_SIZE(prefix)
        cdef size_t suffix_size = PyBytes_GET_SIZE(suffix)
        cdef Py_ssize_t i
        cdef tuple item
        cdef bytes reply
        cdef char sizes[24]
        cdef char* end
        cdef Match* match
        cdef Match shown
        cdef Message message
        cdef char* body = <char*> malloc(prefix_size + suffix_size + 32)
        if body == NULL:
            raise MemoryError("no memory for acknowledgements")
        memset(&message, 0, sizeof(message))
        memcpy(body, PyBytes_AS_STRING(prefix), prefix_size)
        message.payload = body
        message.sizes = sizes
        if start < 0:
            start = 0
        try:
            for i in range(n):
                if start + i >= PyList_GET_SIZE(batch):
                    break
                item = batch[start + i]
                if PyTuple_GET_SIZE(item) < 2:
                    raise ValueError("a message has a subject, a reply, a header and a payload")
                reply = item[1]
                if reply is None:
                    continue
                end = put_number(body + prefix_size, first_seq + i)
                end = put(put(end, PyBytes_AS_STRING(suffix), suffix_size), b"\r\n", 2)
                message.size = end - 2 - body
                message.sizes_size = put_number(sizes, message.size) - sizes
                match = self.reply_match(PyBytes_AS_STRING(reply), PyBytes_GET_SIZE(reply), reply)
                try:
                    shown = match[0]
                    shown.deliver_as = PyBytes_AS_STRING(reply)
                    shown.as_size = <uint32_t> PyBytes_GET_SIZE(reply)
                    self.deliver(&shown, &message, None)
                finally:
                    release_match(match)
        finally:
            free(body)

    def plain_acks(self, list batch not None, Py_ssize_t start, bytes prefix not None, uint64_t last,
                   list seqs not None, list replies not None):
        """Gather plain acknowledgements from batch[start] on; returns the place of the first message that is none."""
        cdef Py_ssize_t at = start
        cdef size_t prefix_size = PyBytes_GET_SIZE(prefix)
        cdef const char* head = PyBytes_AS_STRING(prefix)
        cdef const char* p
        cdef const char* end
        cdef uint64_t seq
        cdef int digits
        cdef tuple item
        cdef bytes subject, reply, payload
        if start < 0:
            raise ValueError(f"a batch has no place {start}")
        while at < PyList_GET_SIZE(batch):
            item = batch[at]
            if PyTuple_GET_SIZE(item) != 4:
                raise ValueError("a message has a subject, a reply, a header and a payload")
            subject, reply, payload = item[0], item[1], item[3]
            if subject is None or payload is None:
                raise TypeError("a message has a subject and a payload")
            if <size_t> PyBytes_GET_SIZE(subject) <= prefix_size or not is_plain_ack(payload):
                return at
            p = PyBytes_AS_STRING(subject)
            end = p + PyBytes_GET_SIZE(subject)
            if memcmp(p, head, prefix_size) != 0:
                return at
            p += prefix_size
            while p < end and p[0] != c'.':
                p += 1
            p += 1
            seq = 0
            digits = 0
            while p < end and c'0' <= p[0] <= c'9' and digits <= MOST_DIGITS:
                seq = seq * 10 + (p[0] - c'0')
                digits += 1
                p += 1
            if not 0 < digits <= MOST_DIGITS or p >= end or p[0] != c'.':
                return at
            if 0 < seq <= last:
                seqs.append(seq)
                if reply is not None and PyBytes_GET_SIZE(reply):
                    replies.append(reply)
            at += 1
        return at

    def deliver_as(self, bytes to not None, bytes subject not None, bytes reply, bytes header, bytes payload not None):
        """Give a message to those who listen to `to`, with `subject` on its line; returns how many took it."""
        cdef Match* match = self.own_match(to)
        cdef Parts parts
        memset(&parts, 0, sizeof(parts))
        try:
            if reply is not None:
                parts.reply = PyBytes_AS_STRING(reply)
                parts.reply_size = PyBytes_GET_SIZE(reply)
            set_parts(&parts, subject, header, payload)
            return self.deliver_parts(match, &parts)
        finally:
            release_match(match)

    def deliver_stored(self, bytes to not None, list messages not None, bytes ack_prefix not None, int64_t delivery,
                       int64_t first_dseq, int64_t first_pending):
        """Give stored messages to those who listen to `to`, until nobody takes one; returns how many were taken.

        The reply of the i-th: ack_prefix, then delivery, its sequence, first_dseq + i, its time, first_pending - i.
        """
        cdef Match* match
        cdef Parts parts
        cdef Py_ssize_t i = 0
        cdef size_t head_size
        cdef uint64_t seq
        cdef int64_t time_ns, last_ns = 0
        cdef char digits[24]  # of the last time: those of one batch have it in common
        cdef size_t ndigits = 0
        cdef char* end
        cdef tuple item
        cdef bytes subject, header, payload
        cdef char* reply = <char*> malloc(PyBytes_GET_SIZE(ack_prefix) + 128)
        if reply == NULL:
            raise MemoryError("no memory for replies")
        memset(&parts, 0, sizeof(parts))
        end = put(reply, PyBytes_AS_STRING(ack_prefix), PyBytes_GET_SIZE(ack_prefix))
        end = put_signed(end, delivery)
        end[0] = c'.'
        head_size = end + 1 - reply
        parts.reply = reply
        match = NULL
        try:
            match = self.own_match(to)
            while i < PyList_GET_SIZE(messages):
                item = messages[i]
                if PyTuple_GET_SIZE(item) != 5:
                    raise ValueError("a stored message has a sequence, a subject, a header, a payload and a time")
                seq, subject, header, payload, time_ns = item[0], item[1], item[2], item[3], item[4]
                if subject is None or payload is None:
                    raise TypeError("a stored message has a subject and a payload")
                if ndigits == 0 or time_ns != last_ns:
                    last_ns = time_ns
                    ndigits = put_signed(digits, time_ns) - digits
                end = put_number(reply + head_size, seq)
                end[0] = c'.'
                end = put_signed(end + 1, first_dseq + i)
                end[0] = c'.'
                end = put(end + 1, digits, ndigits)
                end[0] = c'.'
                end = put_signed(end + 1, first_pending - i)
                parts.reply_size = end - reply
                set_parts(&parts, subject, header, payload)
                if self.deliver_parts(match, &parts) == 0:
                    break
                i += 1
            return i
        finally:
            if match != NULL:
                release_match(match)
            free(reply)

    cdef int deliver_parts(self, Match* match, Parts* parts) except -1:
        """As `deliver`, of a message in pieces and with a subject of its own."""
        cdef uint32_t i, k, n
        cdef uint64_t start
        cdef int taken = 0
        for i in range(match.nplain):
            taken += self.give_parts(<Subscription> match.plain[i], match, parts)
        for i in range(match.ngroups):
            n = match.groups[i].n
            start = self.road.next_random() % n
            for k in range(n):
                if self.give_parts(<Subscription> match.groups[i].items[(start + k) % n], match, parts):
                    taken += 1
                    break
        return taken

    cdef int give_parts(self, Subscription sub, Match* match, Parts* parts) except -1:
        cdef Outbound outbound = sub.outbound
        cdef Road road = self.road
        cdef size_t header_size = parts.header_size
        cdef char* start
        cdef char* p
        if sub.closed:
            return 0
        if sub.filter is not None and not sub.filter.allowed(parts.subject, parts.subject_size):
            return 0
        if outbound is None:
            return self.give_parts_local(sub, match, parts)
        if outbound.closed:
            return 0
        sub.delivered += 1
        if outbound.replies is not None and parts.reply != NULL:
            outbound.replies.append(PyBytes_FromStringAndSize(parts.reply, parts.reply_size))
        if not outbound.headers:
            header_size = 0
        start = room(outbound, parts.subject_size + PyBytes_GET_SIZE(sub.sid) + parts.reply_size + header_size
                     + parts.size + 96)
        p = start
        if header_size:
            p[0] = c'H'
            p += 1
        p = put(put(p, b"MSG ", 4), parts.subject, parts.subject_size)
        p[0] = c' '
        p = put(p + 1, PyBytes_AS_STRING(sub.sid), PyBytes_GET_SIZE(sub.sid))
        p[0] = c' '
        p += 1
        if parts.reply != NULL:
            p = put(p, parts.reply, parts.reply_size)
            p[0] = c' '
            p += 1
        if header_size:
            p = put_number(p, header_size)
            p[0] = c' '
            p += 1
        p = put_number(p, header_size + parts.size)
        if road.trace is not None:
            road.trace.append((outbound.owner, b"->>", PyBytes_FromStringAndSize(start, p - start),
                               PyBytes_FromStringAndSize(parts.header, header_size)
                               + PyBytes_FromStringAndSize(parts.payload, parts.size)))
        p = put(p, b"\r\n", 2)
        if header_size:
            p = put(p, parts.header, header_size)
        p = put(put(p, parts.payload, parts.size), b"\r\n", 2)
        return self.given(sub, outbound, p - start, header_size + parts.size)

    cdef int give_parts_local(self, Subscription sub, Match* match, Parts* parts) except -1:
        cdef Subscription origin
        cdef tuple message
        if type(sub.handler) is Shadow:
            origin = (<Shadow> sub.handler).origin
            return 0 if origin.outbound is None else self.give_parts(origin, match, parts)
        message = (
            PyBytes_FromStringAndSize(parts.subject, parts.subject_size),
            PyBytes_FromStringAndSize(parts.reply, parts.reply_size) if parts.reply != NULL else None,
            PyBytes_FromStringAndSize(parts.header, parts.header_size) if parts.header_size else None,
            PyBytes_FromStringAndSize(parts.payload, parts.size),
        )
        if type(sub.handler) is Carrier:
            # It goes by the subject that was asked for, and keeps the one on its line.
            if not (<Carrier> sub.handler).carry(
                    PyBytes_FromStringAndSize(match.deliver_as, match.as_size), *message[1:], message[0]):
                return 0
            sub.delivered += 1
            return 1
        return self.put_local(sub, message)

    cdef int deliver(self, Match* match, Message* message, Outbound skip) except -1:
        """Give one message to every plain subscription and to one member of each group; returns how many took it.

        The caller holds a count on match.
        """
        cdef uint32_t i, k, n
        cdef uint64_t start
        cdef int taken = 0
        if (match.nplain > 1 and message.header_size == 0 and match.as_size <= ALIKE_SUBJECT
                and message.reply_size + message.size <= ALIKE_TAIL and self.road.trace is None):
            taken = self.deliver_alike(match, message, skip)
        else:
            for i in range(match.nplain):
                taken += self.give(<Subscription> match.plain[i], match, message, skip)
        for i in range(match.ngroups):
            n = match.groups[i].n
            start = self.road.next_random() % n
            for k in range(n):
                if self.give(<Subscription> match.groups[i].items[(start + k) % n], match, message, skip):
                    taken += 1
                    break
        return taken

    cdef int deliver_alike(self, Match* match, Message* message, Outbound skip) except -1:
        """A small message to several plain subscriptions: all but the sid is rendered once."""
        cdef char head[ALIKE_SUBJECT + 16]
        cdef char tail[ALIKE_TAIL + 32]
        cdef char* p = put(head, b"MSG ", 4)
        cdef size_t head_size, tail_size, n
        cdef uint32_t i
        cdef int taken = 0
        cdef Subscription sub
        cdef Outbound outbound
        p = put(p, match.deliver_as, match.as_size)
        p[0] = c' '
        head_size = p + 1 - head
        p = tail
        if message.reply != NULL:
            p = put(p, message.reply, message.reply_size)
            p[0] = c' '
            p += 1
        p = put(p, message.sizes, message.sizes_size)
        p[0] = c'\r'
        p[1] = c'\n'
        p = put(p + 2, message.payload, message.size + 2)
        tail_size = p - tail
        for i in range(match.nplain):
            sub = <Subscription> match.plain[i]
            outbound = sub.outbound
            if (sub.closed or outbound is None or outbound.closed or outbound is skip or sub.label_size == 0
                    or sub.filter is not None or outbound.replies is not None):
                taken += self.give(sub, match, message, skip)
                continue
            sub.delivered += 1
            n = head_size + sub.label_size + tail_size
            p = room(outbound, n)
            p = put(p, head, head_size)
            memcpy(p, sub.label, sizeof(sub.label))  # the rest of it is overwritten, or lies in the slack
            memcpy(p + sub.label_size, tail, tail_size)
            taken += self.given(sub, outbound, n, message.size)
        return taken

    cdef int given(self, Subscription sub, Outbound outbound, size_t frame, size_t size) except -1:
        """Account for a frame of so many bytes behind the buffer's end, `size` of them payload."""
        cdef Road road = self.road
        outbound.end += frame
        outbound.out_msgs += 1
        outbound.out_bytes += size
        road.out_msgs += 1
        road.out_bytes += size
        self.out_msgs += 1
        self.out_bytes += size
        if not outbound.dirty:
            road.add_dirty(outbound)
        if outbound.end - outbound.start >= EARLY_BYTES and not outbound.blocked and outbound.fd >= 0:
            outbound.push()
        if <int64_t> waiting(outbound) > road.max_pending:
            outbound.overflow()
        if sub.max and sub.delivered >= sub.max:
            self.finish(sub, outbound)
        return 1

    cdef int finish(self, Subscription sub, Outbound outbound) except -1:
        """A subscription had its last message."""
        # One that a shadow stands for is in another list; its owner takes it out.
        if not self.remove(sub):
            sub.closed = True
        return self.road.add_ended(outbound.owner, sub)

    cdef int give(self, Subscription sub, Match* match, Message* message, Outbound skip) except -1:
        cdef Outbound outbound = sub.outbound
        cdef Road road = self.road
        cdef const char* payload = message.payload
        cdef size_t header_size = message.header_size
        cdef size_t size = message.size
        cdef char* start
        cdef char* p
        cdef bint stays
        if sub.closed:
            return 0
        if sub.filter is not None and not sub.filter.allowed(match.deliver_as, match.as_size):
            return 0
        if outbound is None:
            return self.give_local(sub, match, message, skip)
        if outbound.closed or outbound is skip:
            return 0
        sub.delivered += 1
        if outbound.replies is not None and message.reply != NULL:
            outbound.replies.append(PyBytes_FromStringAndSize(message.reply, message.reply_size))
        if header_size and not outbound.headers:
            payload += header_size
            size -= header_size
            header_size = 0
        stays = message.stays and size >= LEND_BYTES
        start = room(outbound, match.as_size + PyBytes_GET_SIZE(sub.sid) + message.reply_size
                     + (0 if stays else size) + 64)
        p = start
        if header_size:
            p[0] = c'H'
            p += 1
        p = put(put(p, b"MSG ", 4), match.deliver_as, match.as_size)
        p[0] = c' '
        if sub.label_size:
            memcpy(p + 1, sub.label, sizeof(sub.label))
            p += 1 + sub.label_size
        else:
            p = put(p + 1, PyBytes_AS_STRING(sub.sid), PyBytes_GET_SIZE(sub.sid))
            p[0] = c' '
            p += 1
        if message.reply != NULL:
            p = put(p, message.reply, message.reply_size)
            p[0] = c' '
            p += 1
        if size == message.size:
            p = put(p, message.sizes, message.sizes_size)
        else:
            p = put_number(p, size)
        p[0] = c'\r'
        p[1] = c'\n'
        p += 2
        if road.trace is not None:
            road.trace.append((outbound.owner, b"->>", PyBytes_FromStringAndSize(start, p - start - 2),
                               PyBytes_FromStringAndSize(payload, size)))
        if stays:
            outbound.end += p - start
            if outbound.lend(payload, size + 2):
                return self.given(sub, outbound, 0, size)
            start = room(outbound, size + 2)
            p = start
        memcpy(p, payload, size + 2)
        return self.given(sub, outbound, p + size + 2 - start, size)

    cdef int give_shadow(self, Shadow shadow, Match* match, Message* message, Outbound skip) except -1:
        """Give to the subscription that a shadow stands for, under the importer's name for the subject."""
        cdef Subscription origin = shadow.origin
        cdef bytes name
        cdef Match renamed
        if message.brought or origin.closed or origin.outbound is None:
            return 0
        if match.as_size > 4 and memcmp(match.deliver_as, b"_R_.", 4) == 0:
            return 0
        if shadow.names is None:
            return self.give(origin, match, message, skip)
        name = shadow.names.find(match.deliver_as, match.as_size)
        renamed.deliver_as = PyBytes_AS_STRING(name)
        renamed.as_size = <uint32_t> PyBytes_GET_SIZE(name)
        return self.give(origin, &renamed, message, skip)

    cdef int carry(self, Subscription sub, Match* match, Message* message) except -1:
        """Have a message carried into another account."""
        cdef Carrier carrier = <Carrier> sub.handler
        taken = carrier.carry(
            PyBytes_FromStringAndSize(match.deliver_as, match.as_size),
            PyBytes_FromStringAndSize(message.reply, message.reply_size) if message.reply != NULL else None,
            PyBytes_FromStringAndSize(message.payload, message.header_size) if message.header_size else None,
            PyBytes_FromStringAndSize(message.payload + message.header_size, message.size - message.header_size),
        )
        if not taken:
            return 0
        sub.delivered += 1
        return 1

    cdef int give_local(self, Subscription sub, Match* match, Message* message, Outbound skip) except -1:
        if type(sub.handler) is Shadow:
            return self.give_shadow(<Shadow> sub.handler, match, message, skip)
        if type(sub.handler) is Carrier:
            return self.carry(sub, match, message)
        return self.put_local(sub, (
            PyBytes_FromStringAndSize(match.deliver_as, match.as_size),
            PyBytes_FromStringAndSize(message.reply, message.reply_size) if message.reply != NULL else None,
            PyBytes_FromStringAndSize(message.payload, message.header_size) if message.header_size else None,
            PyBytes_FromStringAndSize(message.payload + message.header_size, message.size - message.header_size),
        ))

    cdef int put_local(self, Subscription sub, tuple message) except -1:
        cdef Subscription lead = sub if sub.lead is None else sub.lead
        sub.delivered += 1
        if lead.batch is None:
            lead.batch = []
            self.road.add_handler(lead)
        lead.batch.append(message)
        self.road.gathered += 1
        if sub.max and sub.delivered >= sub.max:
            self.remove(sub)
        return 1


cdef inline bint is_plain_ack(bytes payload) noexcept:
    """Whether it says no more than that a message is done with."""
    cdef const char* said = PyBytes_AS_STRING(payload)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    return (size == 0 or (size == 4 and memcmp(said, b"+ACK", 4) == 0) or (size == 3 and memcmp(said, b"+OK", 3) == 0))


cdef inline char* put(char* to, const char* data, size_t n) noexcept:
    memcpy(to, data, n)
    return to + n


cdef inline void set_parts(Parts* parts, bytes subject, bytes header, bytes payload) noexcept:
    parts.subject = PyBytes_AS_STRING(subject)
    parts.subject_size = PyBytes_GET_SIZE(subject)
    parts.header = PyBytes_AS_STRING(header) if header is not None else NULL
    parts.header_size = PyBytes_GET_SIZE(header) if header is not None else 0
    parts.payload = PyBytes_AS_STRING(payload)
    parts.size = PyBytes_GET_SIZE(payload)


cdef inline char* put_signed(char* to, int64_t number) noexcept:
    if number < 0:
        to[0] = c'-'
        return put_number(to + 1, -<uint64_t> number)
    return put_number(to, number)


cdef inline char* put_number(char* to, uint64_t number) noexcept:
    cdef char digits[24]
    cdef int n = 24
    if number < 10:
        to[0] = <char> (c'0' + number)
        return to + 1
    while number:
        n -= 1
        digits[n] = <char> (c'0' + number % 10)
        number //= 10
    memcpy(to, digits + n, 24 - n)
    return to + 24 - n
