# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_sublist`: the same surface and the same order of results.

A Match may outlive its place in the cache: whoever uses one holds a count on it. No Python code runs between taking a
pointer into a table and its last use, except in `look_up` (the mapper), which takes its pointers afterwards.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_SIZE

from natsd.kernel._native_interest cimport (
    Gathered, Leaf, Members, Subscription, Twig, gather, gather_trie, has_empty_token, has_wildcard, leaf_add,
    leaf_empty, leaf_new, leaf_remove, list_trie, trie_blunt, trie_insert, trie_remove, twig_free, twig_new, ungather
)
from natsd.kernel._native_literals cimport (
    literals_add, literals_drop, literals_find, literals_free, literals_has, literals_list
)
from natsd.kernel._native_road cimport Outbound, Road, room, waiting

cdef extern from "hash.h" nogil:
    uint64_t natsd_hash(const char* p, size_t n, uint64_t seed)

cdef enum:
    ALIKE_SUBJECT = 240  # a message within these is rendered once for all its receivers
    ALIKE_TAIL = 1000
    EARLY_BYTES = 98304  # so much is sent at once, so that a receiver can begin while a read is still scanned
    LEND_BYTES = 4096  # a payload from this size on is not copied where the socket can take it at once
    WAYS = 4
    FIRST_SETS = 16
    MOST_SETS = 65536  # times WAYS: results kept at most
    MOST_REFERENCES = 1 << 21  # subscriptions named in them at most


cdef void release_match(Match* match) noexcept:
    cdef uint32_t i, k
    match.refs -= 1
    if match.refs > 0:
        return
    for i in range(match.nplain):
        Py_DECREF(<object> match.plain[i])
    for i in range(match.ngroups):
        for k in range(match.groups[i].n):
            Py_DECREF(<object> match.groups[i].items[k])
    free(match)


@cython.final
cdef class Sublist:
    """One account's subscriptions. `road` gives queue picks and takes local batches."""

    def __cinit__(self, Road road not None):
        self.trie = twig_new(NULL, 0, 0)

    def __init__(self, Road road not None):
        self.road = road
        self._mapper = None
        # Told the subject of each subscription that came or went; may take note only, for it is called amid deliveries.
        self.on_changed = None
        self.changed()

    def __dealloc__(self):
        self.drop_cache()
        free(self.cache)
        literals_free(&self.literals)
        if self.trie != NULL:
            twig_free(self.trie)

    def __len__(self):
        return self.count

    @property
    def mapper(self):
        """Ingress mapping: subject -> (subject to match and deliver as, whether that may be cached); None for none."""
        return self._mapper

    @mapper.setter
    def mapper(self, value):
        self._mapper = value
        self.changed()
        self.drop_cache()

    @property
    def cache_count(self):
        """How many results the cache holds."""
        cdef size_t i
        cdef int64_t n = 0
        for i in range(self.cache_sets * WAYS):
            if self.cache[i].match != NULL and self.cache[i].match.generation == self.generation:
                n += 1
        return n

    def clear_cache(self):
        """Forget every result; for when `mapper` or its rules change."""
        self.changed()
        self.drop_cache()

    cdef void changed(self) noexcept:
        self.road.versions += 1
        self.version = self.road.versions

    cdef void drop_cache(self) noexcept:
        cdef size_t i
        for i in range(self.cache_sets * WAYS):
            if self.cache[i].match != NULL:
                release_match(self.cache[i].match)
                self.cache[i].match = NULL
        self.cache_filled = 0
        self.cache_references = 0
        if self.family != NULL:
            release_match(self.family)
            self.family = NULL

    # -- insert and remove

    def insert(self, Subscription sub not None):
        """Add a subscription; its subject is valid (the caller's business)."""
        cdef const char* subject = PyBytes_AS_STRING(sub.subject)
        cdef size_t size = PyBytes_GET_SIZE(sub.subject)
        cdef uint64_t hash
        cdef Leaf* leaf
        if sub.inside:
            raise ValueError(f"subscription on {sub.subject!r} is in a sublist already")
        self.changed()
        if has_wildcard(subject, size):
            trie_insert(self.trie, sub, self.road.seed)
            self.generation += 1
        else:
            hash = natsd_hash(subject, size, self.road.seed)
            leaf = literals_find(&self.literals, sub.subject, hash)
            if leaf == NULL:
                leaf = leaf_new()
                leaf.hash = hash
                leaf.subject = <PyObject*> sub.subject
                Py_INCREF(sub.subject)
                literals_add(&self.literals, leaf)
            leaf_add(leaf, sub)
            self.forget(sub.subject, hash)
        self.count += 1
        self.inserts += 1
        if self.on_changed is not None:
            self.on_changed(sub.subject)

    cdef void forget(self, bytes subject, uint64_t hash) noexcept:
        # Mapping lets one subject be delivered as another, so with it a single entry cannot be told.
        cdef Entry* entry
        cdef int way
        if self._mapper is not None:
            self.generation += 1
            return
        if self.cache_sets == 0:
            return
        entry = &self.cache[(hash & (self.cache_sets - 1)) * WAYS]
        for way in range(WAYS):
            if entry[way].hash == hash and entry[way].match != NULL:
                self.cache_references -= references(entry[way].match)
                release_match(entry[way].match)
                entry[way].match = NULL
                self.cache_filled -= 1

    def remove(self, Subscription sub not None):
        """Take a subscription out; False where it was not in."""
        cdef const char* subject = PyBytes_AS_STRING(sub.subject)
        cdef size_t size = PyBytes_GET_SIZE(sub.subject)
        cdef uint64_t hash
        cdef Leaf* leaf
        if not sub.inside:
            return False
        if has_wildcard(subject, size):
            if not trie_remove(self.trie, sub, self.road.seed):
                return False
            self.generation += 1
        else:
            hash = natsd_hash(subject, size, self.road.seed)
            leaf = literals_find(&self.literals, sub.subject, hash)
            if leaf == NULL or not leaf_remove(leaf, sub):
                return False
            self.forget(sub.subject, hash)
            if leaf_empty(leaf):
                literals_drop(&self.literals, leaf)
        self.changed()
        self.count -= 1
        self.removes += 1
        sub.outbound = None  # results that still name it must not keep its connection alive
        if self.on_changed is not None:
            self.on_changed(sub.subject)
        return True

    # -- matching

    cdef Match* build(self, bytes subject, bytes deliver_as, bint keep, uint64_t hash) except NULL:
        cdef Gathered found
        cdef Match* match = NULL
        cdef Leaf* leaf
        cdef const char* name = PyBytes_AS_STRING(deliver_as)
        cdef size_t name_size = PyBytes_GET_SIZE(deliver_as)
        cdef size_t total, i, k
        cdef char* at
        cdef bint mapped = deliver_as is not subject
        memset(&found, 0, sizeof(found))
        try:
            if not has_empty_token(name, name_size):
                if self.literals.count:
                    leaf = literals_find(&self.literals, 
                        deliver_as, natsd_hash(name, name_size, self.road.seed) if mapped else hash)
                    if leaf != NULL:
                        gather(&found, leaf)
                if self.trie.nkids or self.trie.star != NULL or self.trie.full != NULL:
                    gather_trie(&found, self.trie, name, name_size, self.road.seed)
            total = sizeof(Match) + found.nplain * sizeof(PyObject*) + found.ngroups * sizeof(Members)
            for i in range(found.ngroups):
                total += found.groups[i].n * sizeof(PyObject*)
            # A subject's copy may be read SLACK bytes beyond its end.
            total += PyBytes_GET_SIZE(subject) + (name_size if mapped else 0) + 64
            match = <Match*> malloc(total)
            if match == NULL:
                raise MemoryError(f"no memory for a match of {found.nplain} subscriptions")
            memset(match, 0, sizeof(Match))
            match.refs = 1
            match.keep = keep
            match.hash = hash
            match.generation = self.generation
            match.nplain = <uint32_t> found.nplain
            match.ngroups = <uint32_t> found.ngroups
            at = <char*> match + sizeof(Match)
            match.plain = <PyObject**> at
            at += found.nplain * sizeof(PyObject*)
            match.groups = <Members*> at
            at += found.ngroups * sizeof(Members)
            for i in range(found.nplain):
                match.plain[i] = found.plain[i]
                Py_INCREF(<object> found.plain[i])
            for i in range(found.ngroups):
                match.groups[i].n = <uint32_t> found.groups[i].n
                match.groups[i].items = <PyObject**> at
                at += found.groups[i].n * sizeof(PyObject*)
                for k in range(found.groups[i].n):
                    match.groups[i].items[k] = found.groups[i].items[k]
                    Py_INCREF(<object> found.groups[i].items[k])
            match.subject = at
            match.size = <uint32_t> PyBytes_GET_SIZE(subject)
            memcpy(at, PyBytes_AS_STRING(subject), match.size)
            match.deliver_as = at
            match.as_size = match.size
            if mapped:
                at += match.size
                match.deliver_as = at
                match.as_size = <uint32_t> name_size
                memcpy(at, name, name_size)
        finally:
            ungather(&found)
        return match

    cdef Match* look_up(self, const char* subject, size_t size) except NULL:
        """A result for a published subject; the caller owns one count of it."""
        cdef uint64_t hash = natsd_hash(subject, size, self.road.seed)
        cdef Entry* entry
        cdef Match* match
        cdef int way
        cdef bytes name, deliver_as
        cdef bint keep = True
        self.matches += 1
        if self.cache_sets:
            entry = &self.cache[(hash & (self.cache_sets - 1)) * WAYS]
            for way in range(WAYS):
                if entry[way].hash == hash:
                    match = entry[way].match
                    if match != NULL and match.generation == self.generation and match.size == size and memcmp(
                            match.subject, subject, size) == 0:
                        self.cache_hits += 1
                        match.refs += 1
                        return match
        name = PyBytes_FromStringAndSize(subject, size)
        deliver_as = name
        if self._mapper is not None:
            deliver_as, keep = self._mapper(name)
            if deliver_as == name:
                deliver_as = name
        match = self.build(name, deliver_as, keep, hash)
        if keep:
            self.keep_match(match)
        return match

    cdef void keep_match(self, Match* match) noexcept:
        cdef Entry* old = self.cache
        cdef Entry* fresh
        cdef Entry* entry
        cdef size_t i, sets, old_sets = self.cache_sets
        cdef int way
        if self.cache_references + references(match) > MOST_REFERENCES:
            self.drop_cache()
        if self.cache_filled * 2 >= self.cache_sets * WAYS and self.cache_sets < MOST_SETS:
            sets = self.cache_sets * 4 if self.cache_sets else FIRST_SETS
            fresh = <Entry*> calloc(sets * WAYS, sizeof(Entry))
            if fresh != NULL:
                self.cache = fresh
                self.cache_sets = sets
                self.cache_filled = 0
                self.cache_references = 0
                for i in range(old_sets * WAYS):
                    if old[i].match != NULL:
                        if old[i].match.generation == self.generation:
                            self.place(old[i].match)
                        else:
                            release_match(old[i].match)
                free(old)
        if self.cache_sets == 0:
            return  # no memory for a cache: every lookup builds its own
        match.refs += 1
        self.place(match)

    cdef void place(self, Match* match) noexcept:
        """Into its set: a free or stale place, else the next victim's."""
        cdef Entry* entry = &self.cache[(match.hash & (self.cache_sets - 1)) * WAYS]
        cdef int way
        for way in range(WAYS):
            if entry[way].match == NULL:
                self.cache_filled += 1
                break
            if entry[way].match.generation != self.generation:
                break
        else:
            way = self.victim % WAYS
            self.victim += 1
        if entry[way].match != NULL:
            self.cache_references -= references(entry[way].match)
            release_match(entry[way].match)
        entry[way].hash = match.hash
        entry[way].match = match
        self.cache_references += references(match)

    cdef Match* own_match(self, bytes subject) except NULL:
        """A result for a message of the server's own; the caller owns one count of it."""
        cdef const char* name = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        if self._mapper is None:
            return self.look_up(name, size)
        return self.build(subject, subject, False, natsd_hash(name, size, self.road.seed))

    cdef Match* reply_match(self, const char* to, size_t size, bytes subject) except NULL:
        """As own_match, for subjects that are new each time: one result serves all that differ in the last token only.

        The caller owns one count of it, and puts the subject to show in its own copy. subject: `to`, as an object.
        """
        cdef uint64_t hash
        cdef size_t begin = size
        cdef Match* match
        while begin and to[begin - 1] != c'.':
            begin -= 1
        if begin == 0 or begin == size:
            return self.own_match(subject)
        hash = natsd_hash(to, size, self.road.seed)
        if literals_has(&self.literals, to, size, hash):
            return self.own_match(subject)
        if (self.family != NULL and self.family_version == self.version and self.family_size == begin
                and memcmp(self.family.subject, to, begin) == 0):
            self.matches += 1
            self.cache_hits += 1
            self.family.refs += 1
            return self.family
        if has_empty_token(to, size) or not trie_blunt(self.trie, to, size, self.road.seed):
            return self.own_match(subject)
        self.matches += 1
        match = self.build(subject, subject, False, hash)
        if self.family != NULL:
            release_match(self.family)
        self.family = match
        self.family_size = begin
        self.family_version = self.version
        match.refs += 1
        return match

    def match(self, bytes subject not None):
        """Plain subscriptions and queue groups that a message on `subject` reaches (no mapping applied)."""
        cdef Match* match
        cdef uint32_t i, k
        match = self.build(subject, subject, False,
                           natsd_hash(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject), self.road.seed))
        try:
            return (
                [<object> match.plain[i] for i in range(match.nplain)],
                [[<object> match.groups[i].items[k] for k in range(match.groups[i].n)] for i in range(match.ngroups)],
            )
        finally:
            release_match(match)

    def has_interest(self, bytes subject not None):
        """Whether anybody would get a message of the server's own on `subject`."""
        cdef Match* match = self.own_match(subject)
        cdef bint found = match.nplain or match.ngroups
        release_match(match)
        return found

    # -- delivery

    def publish(self, bytes subject not None, bytes reply, bytes header, bytes payload not None):
        """Deliver a message of the server's own, which no mapping changes; returns how many took it."""
        cdef Match* match = self.own_match(subject)
        cdef bytes body, sizes
        cdef Message message
        memset(&message, 0, sizeof(message))
        try:
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
            return self.deliver(match, &message, None)
        finally:
            release_match(match)

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
            taken += self.give_parts(<Subscription> match.plain[i], parts)
        for i in range(match.ngroups):
            n = match.groups[i].n
            start = self.road.next_random() % n
            for k in range(n):
                if self.give_parts(<Subscription> match.groups[i].items[(start + k) % n], parts):
                    taken += 1
                    break
        return taken

    cdef int give_parts(self, Subscription sub, Parts* parts) except -1:
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
            return self.give_parts_local(sub, parts)
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
                               PyBytes_FromStringAndSize(parts.payload, parts.size)))
        p = put(p, b"\r\n", 2)
        if header_size:
            p = put(p, parts.header, header_size)
        p = put(put(p, parts.payload, parts.size), b"\r\n", 2)
        return self.given(sub, outbound, p - start, header_size + parts.size)

    cdef int give_parts_local(self, Subscription sub, Parts* parts) except -1:
        return self.put_local(sub, (
            PyBytes_FromStringAndSize(parts.subject, parts.subject_size),
            PyBytes_FromStringAndSize(parts.reply, parts.reply_size) if parts.reply != NULL else None,
            PyBytes_FromStringAndSize(parts.header, parts.header_size) if parts.header_size else None,
            PyBytes_FromStringAndSize(parts.payload, parts.size),
        ))

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
        if not outbound.dirty:
            road.add_dirty(outbound)
        if outbound.end - outbound.start >= EARLY_BYTES and not outbound.blocked and outbound.fd >= 0:
            outbound.push()
        if <int64_t> waiting(outbound) > road.max_pending:
            outbound.overflow()
        if sub.max and sub.delivered >= sub.max:
            self.remove(sub)
            road.add_ended(outbound.owner, sub)
        return 1

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
            return self.give_local(sub, match, message)
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
                               PyBytes_FromStringAndSize(payload + header_size, size - header_size)))
        if stays:
            outbound.end += p - start
            if outbound.lend(payload, size + 2):
                return self.given(sub, outbound, 0, size)
            start = room(outbound, size + 2)
            p = start
        memcpy(p, payload, size + 2)
        return self.given(sub, outbound, p + size + 2 - start, size)

    cdef int give_local(self, Subscription sub, Match* match, Message* message) except -1:
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
        if sub.max and sub.delivered >= sub.max:
            self.remove(sub)
        return 1

    # -- looking in

    def stats(self):
        """The figures /subsz shows."""
        cdef size_t i
        cdef int64_t n = 0, fanout, most = 0, total = 0
        cdef Match* match
        for i in range(self.cache_sets * WAYS):
            match = self.cache[i].match
            if match != NULL and match.generation == self.generation:
                n += 1
                fanout = references(match)
                total += fanout
                if fanout > most:
                    most = fanout
        return {
            "num_subscriptions": self.count,
            "num_cache": n,
            "num_inserts": self.inserts,
            "num_removes": self.removes,
            "num_matches": self.matches,
            "cache_hit_rate": self.cache_hits / <double> self.matches if self.matches else 0.0,
            "max_fanout": most,
            "avg_fanout": total / <double> n if n else 0.0,
        }

    def subscriptions(self):
        """Every subscription, in no order."""
        cdef list found = []
        literals_list(found, &self.literals)
        list_trie(found, self.trie)
        return iter(found)


cdef inline int64_t references(Match* match) noexcept:
    cdef int64_t n = match.nplain
    cdef uint32_t i
    for i in range(match.ngroups):
        n += match.groups[i].n
    return n


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
