# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_index`: the same surface, which states the rules.

No address of a place or a row is used after something was added or removed. Between finding messages and making objects
of them nothing is held: making objects may run anything.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memmove
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_SIZE

from natsd.store._native_filter cimport Filter, filter_appended, filter_removed, has_row, RECENT
from natsd.store._native_pages cimport (
    Entry, FAR, HEADED, LASTING, LENGTH, NOBODY, PAGE_BITS, Page, Pages, Place, entry_in, entry_of, page_of, pages_cut,
    pages_free, pages_put, walk_back, walk_from, walk_on
)
from natsd.store._native_subjects cimport (
    Patterns, Row, natsd_hash, pattern_matches, row_filter, row_join, row_leave, start_of, subjects_add,
    subjects_begin, subjects_drop, subjects_find, subjects_free
)

from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT, State

cdef enum:
    TOLD_AT_ONCE = 65536  # removed sequences in one call of on_removed
    EXPIRED_AT_ONCE = 65536  # messages that one call of expire removes
    STEPS = 256  # back along a subject before all messages are looked through

cdef int BY_MSGS = REFUSED_MSGS
cdef int BY_BYTES = REFUSED_BYTES
cdef int BY_SUBJECT = REFUSED_PER_SUBJECT


@cython.final
@cython.internal
cdef class Chooser:
    """Which rows match, for one question: asked once per subject, or of a filter that knows."""

    cdef Index index
    cdef Patterns patterns
    cdef Filter known
    cdef uint8_t* answers  # 1 no, 2 yes
    cdef uint32_t n

    def __init__(self, Index index not None, Patterns patterns not None):
        self.index = index
        self.patterns = patterns
        self.known = index.filters.get(patterns.key)
        if not patterns.everything and self.known is None:
            self.n = index.subject_rows.nrows
            self.answers = <uint8_t*> calloc(self.n + 1, 1)
            if self.answers == NULL:
                raise MemoryError("no memory to look through the subjects")

    def __dealloc__(self):
        free(self.answers)

    cdef bint has(self, uint32_t number) except -1:
        if self.patterns.everything:
            return True
        if self.known is not None:
            return has_row(self.known, number)
        if self.answers[number] == 0:
            self.answers[number] = 1 + self.patterns.matches(<bytes> self.index.subject_rows.rows[number].name)
        return self.answers[number] == 2


cdef class Index:
    """The messages of one stream, without their bytes. The names of the contract mean here what they mean there.

    overhead, header_overhead: what a message, and its header, cost beside their bytes.
    """

    def __cinit__(self, *args, **named):
        subjects_begin(&self.subject_rows)

    def __init__(self, uint32_t overhead, uint32_t header_overhead=0, uint64_t first_seq=1):
        if self.msgs or self.overhead:
            raise ValueError("an index begins once")
        if first_seq == 0:
            raise ValueError("sequences begin at 1")
        self.overhead = overhead
        self.header_overhead = header_overhead
        self.first = first_seq
        self.last = first_seq - 1
        self.expired = []
        self.far = {}
        self.filters = {}
        self.words = {}
        self.starts = {}

    def __dealloc__(self):
        pages_free(&self.pages)
        subjects_free(&self.subject_rows)
        free(self.runs)
        free(self.deadlines)
        free(self.gone)

    # -- what a store overrides

    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0:
        raise NotImplementedError("a store says where bytes are kept")

    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns):
        raise NotImplementedError("a store says where bytes are kept")

    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1:
        return 0

    # -- figures

    @property
    def state(self):
        return State(
            self.msgs, self.bytes, self.first, self.time_of(self.first) if self.msgs else 0, self.last,
            self.last_time_ns, self.subject_rows.count, self.last + 1 - self.first - self.msgs if self.msgs else 0
        )

    @property
    def last_seq(self):
        return self.last

    @property
    def first_seq(self):
        return self.first

    cdef size_t run_of(self, uint64_t seq) noexcept:
        """The run that a message belongs to."""
        cdef size_t low = self.runs_head, high = self.runs_end, at
        if high > low and self.runs[high - 1].seq <= seq:
            return high - 1
        while low < high:
            at = (low + high) >> 1
            if self.runs[at].seq <= seq:
                low = at + 1
            else:
                high = at
        return low - 1

    cdef int64_t time_of(self, uint64_t seq) noexcept:
        return self.runs[self.run_of(seq)].time_ns

    # -- adding

    def set_limits(self, limits):
        cdef uint32_t row
        cdef Row* rows
        self.max_msgs = limits.max_msgs
        self.max_bytes = limits.max_bytes
        self.max_msgs_per_subject = limits.max_msgs_per_subject
        self.max_age_ns = limits.max_age_ns
        self.discard_new = limits.discard_new
        self.discard_new_per_subject = limits.discard_new_per_subject
        if self.max_msgs_per_subject > 0:
            for row in range(self.subject_rows.nrows):
                rows = self.subject_rows.rows
                while rows[row].name != NULL and rows[row].count > <uint64_t> self.max_msgs_per_subject:
                    self.cut(rows[row].first)
        self.evict()
        self.tell()

    cdef uint32_t length_of(self, size_t subject, size_t header, size_t payload) except? 0:
        """What a message counts for, with its flags."""
        cdef uint64_t length = self.overhead + subject + payload
        if header:
            length += self.header_overhead + header
        if length > LENGTH:
            raise ValueError(f"a message of {length} bytes is too large to be stored")
        return <uint32_t> length | (HEADED if header else 0)

    def size_of(self, bytes subject not None, bytes header, bytes payload not None):
        """What a message counts for."""
        return self.length_of(len(subject), len(header) if header else 0, len(payload)) & LENGTH

    def append(self, list batch not None, int64_t time_ns, Py_ssize_t start=0):
        cdef Py_ssize_t at = start
        if start < 0:
            raise ValueError(f"a batch has no place {start}")
        try:
            while at < PyList_GET_SIZE(batch):
                if not self.keep(self.last + 1, batch[at], time_ns, True):
                    break
                at += 1
        finally:
            self.tell()
        return at - start if at > start else 0

    def append_ttl(self, tuple message not None, int64_t time_ns, int64_t expires_ns):
        cdef uint64_t seq = self.last + 1
        if not self.append([message], time_ns):
            return False
        self.set_expiry(seq, expires_ns)
        return True

    def set_expiry(self, uint64_t seq, int64_t expires_ns):
        """When a message ends by itself; 0: never, not even by max_age."""
        cdef Entry* entry = entry_of(&self.pages, seq)
        if entry == NULL:
            return
        if expires_ns:
            self.add_deadline(expires_ns, seq)
        else:
            entry.length |= LASTING

    def append_at(self, uint64_t seq, tuple message not None, int64_t time_ns):
        if seq <= self.last:
            raise ValueError(f"sequence {seq} is not above the last, {self.last}")
        try:
            self.keep(seq, message, time_ns, False)
        finally:
            self.tell()

    def skip(self, uint64_t upto):
        if upto > self.last:
            self.last = upto
            if self.msgs == 0:
                self.first = upto + 1

    cdef int keep(self, uint64_t seq, tuple message, int64_t time_ns, bint may_refuse) except -1:
        """Store one message and hold to the limits; 0 where it is refused."""
        cdef bytes subject, header, payload
        cdef uint32_t length, row
        cdef uint64_t position
        cdef Row* entry
        if message is None or PyTuple_GET_SIZE(message) != 4:
            raise ValueError("a message has a subject, a reply, a header and a payload")
        subject, header, payload = message[0], message[2], message[3]
        if subject is None or payload is None:
            raise TypeError("a message has a subject and a payload")
        if header is not None and PyBytes_GET_SIZE(header) == 0:
            header = None
        length = self.length_of(PyBytes_GET_SIZE(subject), PyBytes_GET_SIZE(header) if header is not None else 0,
                                PyBytes_GET_SIZE(payload))
        if may_refuse and self.discard_new and self.refuses(subject, length & LENGTH):
            return 0
        position = self.put_message(seq, subject, header, payload, time_ns)
        row = self.row_of(subject, PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))
        self.store(seq, row, position, length, time_ns)
        if self.max_msgs_per_subject > 0:
            entry = &self.subject_rows.rows[row]
            while entry.count > <uint64_t> self.max_msgs_per_subject:
                self.cut(entry.first)
        if not self.discard_new:
            self.evict()
        return 1

    cdef bint refuses(self, bytes subject, uint32_t length) noexcept:
        cdef const char* text = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        cdef uint32_t row = subjects_find(
            &self.subject_rows, text, size, natsd_hash(text, size, self.subject_rows.seed))
        cdef Row* entry = NULL if row == NOBODY else &self.subject_rows.rows[row]
        cdef bint full = entry != NULL and 0 < self.max_msgs_per_subject <= <int64_t> entry.count
        self.refusal = 0
        if full and self.discard_new_per_subject:
            self.refusal = BY_SUBJECT
        elif 0 < self.max_msgs <= <int64_t> self.msgs and not full:
            self.refusal = BY_MSGS
        elif 0 < self.max_bytes < <int64_t> (self.bytes + length):
            # Where the subject is full its oldest message makes room.
            if not full or entry_of(&self.pages, entry.first).length & LENGTH < length:
                self.refusal = BY_BYTES
        return self.refusal != 0

    cdef uint32_t row_of(self, bytes subject, const char* text, size_t size) except? 0:
        """The row of a subject, which may be new. subject: the same as an object, None where there is none yet."""
        cdef uint64_t hash = natsd_hash(text, size, self.subject_rows.seed)
        cdef uint32_t row = subjects_find(&self.subject_rows, text, size, hash)
        if row == NOBODY:
            if subject is None:
                subject = PyBytes_FromStringAndSize(text, size)
            row = subjects_add(&self.subject_rows, subject, hash)
            if self.filters:
                self.join_filters(row, subject)
        return row

    cdef int add_message(self, uint64_t seq, const char* subject, size_t size, uint64_t position, uint32_t length,
                         int64_t time_ns) except -1:
        return self.store(seq, self.row_of(None, subject, size), position, length, time_ns)

    def add(self, uint64_t seq, bytes name not None, uint64_t position, uint32_t length, bint headed, int64_t time_ns):
        """Know of a message that is kept already (replay of a log); limits are not looked at."""
        if seq <= self.last:
            raise ValueError(f"sequence {seq} is not above the last, {self.last}")
        self.add_message(seq, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), position,
                         (length & LENGTH) | (HEADED if headed else 0), time_ns)

    cdef int store(self, uint64_t seq, uint32_t number, uint64_t position, uint32_t length, int64_t time_ns) except -1:
        cdef Row* row = &self.subject_rows.rows[number]
        cdef Entry* entry
        cdef Run* runs
        cdef size_t capacity
        cdef uint32_t i
        if self.runs_end == self.runs_head or self.runs[self.runs_end - 1].time_ns != time_ns:
            if self.runs_end == self.runs_capacity:
                capacity = self.runs_capacity * 2 if self.runs_capacity else 4
                runs = <Run*> realloc(self.runs, capacity * sizeof(Run))
                if runs == NULL:
                    raise MemoryError("no memory for the time of a message")
                self.runs = runs
                self.runs_capacity = capacity
            self.runs[self.runs_end].seq = seq
            self.runs[self.runs_end].time_ns = time_ns
            self.runs_end += 1
        entry = pages_put(&self.pages, seq)
        entry.position = position
        entry.length = length
        entry.subject = number
        entry.back = entry.ahead = 0
        if row.count:
            self.set_back(seq, entry, row.last)
            self.set_ahead(row.last, entry_of(&self.pages, row.last), seq)
        else:
            row.first = seq
        row.last = seq
        row.count += 1
        if self.msgs == 0:
            self.first = seq
        self.msgs += 1
        self.bytes += length & LENGTH
        self.last = seq
        self.last_time_ns = time_ns
        for i in range(row.nfilters):
            filter_appended(<Filter> row_filter(row, i), seq)
        if self.everything is not None:
            filter_appended(self.everything, seq)
        return 0

    cdef int evict(self) except -1:
        if self.discard_new:
            return 0
        if self.max_msgs > 0:
            while self.msgs > <uint64_t> self.max_msgs:
                self.cut(self.first)
        if self.max_bytes > 0:
            while self.bytes > <uint64_t> self.max_bytes:
                self.cut(self.first)
        return 0

    # -- neighbours

    cdef uint64_t back_of(self, uint64_t seq, Entry* entry) except? 0:
        if entry.back == FAR:
            return self.far[seq << 1]
        return seq - entry.back if entry.back else 0

    cdef uint64_t ahead_of(self, uint64_t seq, Entry* entry) except? 0:
        if entry.ahead == FAR:
            return self.far[seq << 1 | 1]
        return seq + entry.ahead if entry.ahead else 0

    cdef int set_back(self, uint64_t seq, Entry* entry, uint64_t to) except -1:
        if entry.back == FAR:
            del self.far[seq << 1]
        if to and seq - to >= FAR:
            self.far[seq << 1] = to
            entry.back = FAR
        else:
            entry.back = <uint32_t> (seq - to) if to else 0
        return 0

    cdef int set_ahead(self, uint64_t seq, Entry* entry, uint64_t to) except -1:
        if entry.ahead == FAR:
            del self.far[seq << 1 | 1]
        if to and to - seq >= FAR:
            self.far[seq << 1 | 1] = to
            entry.ahead = FAR
        else:
            entry.ahead = <uint32_t> (to - seq) if to else 0
        return 0

    # -- removing

    cdef int cut(self, uint64_t seq) except -1:
        """Take a message out; 0 where there is none."""
        cdef Page* page = page_of(&self.pages, seq)
        cdef Entry* entry
        cdef Row* row
        cdef uint64_t back, ahead, position
        cdef uint32_t number, length, i
        if page == NULL:
            return 0
        entry = entry_in(page, seq)
        if entry == NULL:
            return 0
        number, length, position = entry.subject, entry.length, entry.position
        self.removals += 1
        row = &self.subject_rows.rows[number]
        back = self.back_of(seq, entry)
        ahead = self.ahead_of(seq, entry)
        if entry.back == FAR or entry.ahead == FAR:
            self.set_back(seq, entry, 0)
            self.set_ahead(seq, entry, 0)
        if self.on_removed is not None:
            self.note_gone(seq)
        if back:
            self.set_ahead(back, entry_of(&self.pages, back), ahead)
        else:
            row.first = ahead
        if ahead:
            self.set_back(ahead, entry_of(&self.pages, ahead), back)
        else:
            row.last = back
        for i in range(row.nfilters):
            filter_removed(<Filter> row_filter(row, i), seq)
        if self.everything is not None:
            filter_removed(self.everything, seq)
        row.count -= 1
        if row.count == 0:
            self.drop_row(number)
        self.msgs -= 1
        self.bytes -= length & LENGTH
        pages_cut(&self.pages, page, entry)
        if seq == self.first:
            self.find_first()
        self.drop_message(seq, position, length)
        return 1

    cdef void find_first(self) noexcept:
        cdef Place place
        if self.msgs == 0:
            self.first = self.last + 1
            return
        walk_from(&self.pages, &place, self.first + 1)
        if walk_on(&self.pages, &place) != NULL:
            self.first = place.seq

    cdef int drop_row(self, uint32_t number) except -1:
        cdef Row* row = &self.subject_rows.rows[number]
        cdef uint32_t i
        for i in range(row.nfilters):
            (<Filter> row_filter(row, i)).dismiss(number)
        subjects_drop(&self.subject_rows, number)
        return 0

    cdef int note_gone(self, uint64_t seq) except -1:
        cdef size_t capacity
        cdef uint64_t* gone
        if self.ngone == self.gone_capacity:
            capacity = self.gone_capacity * 2 if self.gone_capacity else 64
            gone = <uint64_t*> realloc(self.gone, capacity * sizeof(uint64_t))
            if gone == NULL:
                raise MemoryError("no memory to tell what went")
            self.gone = gone
            self.gone_capacity = capacity
        self.gone[self.ngone] = seq
        self.ngone += 1
        return 0

    cdef int tell(self) except -1:
        """Clear up after removals, then tell of them."""
        cdef uint64_t* gone
        cdef size_t n, i, at
        self.tidy()
        if self.ngone == 0:
            return 0
        gone, n = self.gone, self.ngone
        self.gone = NULL
        self.ngone = self.gone_capacity = 0
        try:
            for i in range(1, n):
                if gone[i] < gone[i - 1]:
                    qsort(gone, n, sizeof(uint64_t), by_number)
                    break
            at = 0
            while at < n and self.on_removed is not None:
                self.on_removed([gone[i] for i in range(at, min(at + TOLD_AT_ONCE, n))])
                at += TOLD_AT_ONCE
        finally:
            if self.gone == NULL:
                self.gone = gone
                self.gone_capacity = n
            else:
                free(gone)
        return 0

    cdef int tidy(self) except -1:
        cdef size_t i, n = 0, left
        while self.runs_end - self.runs_head > 1 and self.runs[self.runs_head + 1].seq <= self.first:
            self.runs_head += 1
        if self.runs_head > 64 and self.runs_head * 2 > self.runs_end:
            self.runs_end -= self.runs_head
            memmove(self.runs, self.runs + self.runs_head, self.runs_end * sizeof(Run))
            self.runs_head = 0
        if self.ndeadlines > 2 * self.msgs + 64:
            for i in range(self.ndeadlines):
                if entry_of(&self.pages, self.deadlines[i].seq) != NULL:
                    self.deadlines[n] = self.deadlines[i]
                    n += 1
            left = self.ndeadlines = n
            while left:
                left -= 1
                sift(self.deadlines, n, left)
        return 0

    def remove(self, list seqs not None, *, bint erase=False):
        cdef int64_t removed = 0
        try:
            for seq in seqs:
                removed += self.cut(seq)
        finally:
            self.tell()
        return removed

    def purge(self, *, filters=None, uint64_t upto=0, uint64_t keep=0):
        cdef uint64_t first = self.first, end, removed
        cdef list doomed
        cdef Patterns patterns
        if upto == 1:
            return 0
        patterns = Patterns(filters or ())
        if not patterns.everything or keep:
            doomed = self.all_of(patterns)
            del doomed[len(doomed) - <Py_ssize_t> min(keep, <uint64_t> len(doomed)):]
            while upto and doomed and doomed[len(doomed) - 1] >= upto:
                doomed.pop()
            return self.remove(doomed)
        end = upto - 1 if upto else self.last
        tell, self.on_removed = self.on_removed, None
        try:
            removed = self.msgs
            if end >= self.last:
                self.clear()
            else:
                while self.msgs and self.first <= end:
                    self.cut(self.first)
            removed -= self.msgs
            self.tell()
        finally:
            self.on_removed = tell
        self.skip(end)
        if self.on_purged is not None and self.first != first:
            self.on_purged(self.first)
        return removed

    cdef int clear(self) except -1:
        """Take everything out."""
        cdef Place place
        cdef Entry* entry
        cdef uint32_t row
        cdef Filter wanted
        walk_from(&self.pages, &place, 0)
        entry = walk_on(&self.pages, &place)
        while entry != NULL:
            self.drop_message(place.seq, entry.position, entry.length)
            entry = walk_on(&self.pages, &place)
        pages_free(&self.pages)
        for row in range(self.subject_rows.nrows):
            if self.subject_rows.rows[row].name != NULL:
                self.drop_row(row)
        for wanted in self.filters.values():
            wanted.forget_all()
        self.far.clear()
        self.removals += 1
        self.msgs = self.bytes = 0
        self.first = self.last + 1
        return 0

    def expire(self, int64_t wall_ns):
        cdef int64_t due = 0, aged
        cdef uint64_t seq
        cdef Entry* entry
        self.expired = []
        while self.ndeadlines:
            seq = self.deadlines[0].seq
            entry = entry_of(&self.pages, seq)
            if entry != NULL:
                if self.deadlines[0].time_ns > wall_ns or PyList_GET_SIZE(self.expired) >= EXPIRED_AT_ONCE:
                    due = max(self.deadlines[0].time_ns, wall_ns)
                    break
                self.expired.append((seq, <bytes> self.subject_rows.rows[entry.subject].name, True))
                self.cut(seq)
            self.drop_deadline()
        if self.max_age_ns > 0:
            aged = self.expire_by_age(wall_ns)
            due = min(due, aged) if due and aged else due or aged
        self.tell()
        return due

    cdef int64_t expire_by_age(self, int64_t wall_ns) except? 0:
        cdef Place place
        cdef Entry* entry
        cdef int64_t when
        while True:
            walk_from(&self.pages, &place, self.ageless)
            entry = walk_on(&self.pages, &place)
            while entry != NULL and entry.length & LASTING:
                entry = walk_on(&self.pages, &place)
            if entry == NULL:
                return 0
            self.ageless = place.seq
            when = self.time_of(place.seq) + self.max_age_ns
            if when > wall_ns or PyList_GET_SIZE(self.expired) >= EXPIRED_AT_ONCE:
                return max(when, wall_ns)
            self.expired.append((place.seq, <bytes> self.subject_rows.rows[entry.subject].name, False))
            self.cut(place.seq)
            self.ageless = place.seq + 1

    cdef int add_deadline(self, int64_t time_ns, uint64_t seq) except -1:
        cdef size_t capacity, at, up
        cdef Deadline* deadlines
        cdef Deadline fresh
        if self.ndeadlines == self.deadlines_capacity:
            capacity = self.deadlines_capacity * 2 if self.deadlines_capacity else 16
            deadlines = <Deadline*> realloc(self.deadlines, capacity * sizeof(Deadline))
            if deadlines == NULL:
                raise MemoryError("no memory for the end of a message")
            self.deadlines = deadlines
            self.deadlines_capacity = capacity
        fresh.time_ns = time_ns
        fresh.seq = seq
        at = self.ndeadlines
        self.ndeadlines += 1
        while at:
            up = (at - 1) >> 1
            if not sooner(&fresh, &self.deadlines[up]):
                break
            self.deadlines[at] = self.deadlines[up]
            at = up
        self.deadlines[at] = fresh
        return 0

    cdef void drop_deadline(self) noexcept:
        self.ndeadlines -= 1
        self.deadlines[0] = self.deadlines[self.ndeadlines]
        sift(self.deadlines, self.ndeadlines, 0)

    def deleted(self, Py_ssize_t most=0):
        cdef list found = []
        cdef Place place
        cdef Entry* entry
        cdef uint64_t expected = self.first, seq
        if self.msgs == 0:
            return found
        walk_from(&self.pages, &place, self.first)
        while True:
            entry = walk_on(&self.pages, &place)
            seq = place.seq if entry != NULL else self.last + 1
            while expected < seq:
                if most and PyList_GET_SIZE(found) >= most:
                    return found
                found.append(expected)
                expected += 1
            if entry == NULL:
                return found
            expected = seq + 1

    # -- looking

    cdef tuple message_at(self, uint64_t seq):
        cdef Entry* entry = entry_of(&self.pages, seq)
        if entry == NULL:
            return None
        return self.get_message(seq, entry.position, entry.length,
                                <bytes> self.subject_rows.rows[entry.subject].name, self.time_of(seq))

    def load(self, uint64_t seq):
        return self.message_at(seq)

    def load_many(self, seqs):
        cdef list found = []
        cdef tuple message
        for seq in seqs:
            message = self.message_at(seq)
            if message is not None:
                found.append(message)
        return found

    def next_match(self, uint64_t seq, list filters not None, uint64_t upto=0):
        cdef Patterns patterns = Patterns(filters)
        cdef Chooser chooser
        cdef Place place
        cdef Entry* entry
        cdef uint64_t limit = upto if upto and upto < self.last else self.last, at
        cdef uint32_t number
        if len(patterns.words) == 1 and len(patterns.key) == 1:
            number = self.find_row(patterns.key[0])
            at = self.first_of(number, seq) if number != NOBODY else 0
            return self.message_at(at) if at and at <= limit else None
        chooser = Chooser(self, patterns)
        walk_from(&self.pages, &place, seq)
        entry = walk_on(&self.pages, &place)
        while entry != NULL and place.seq <= limit:
            if chooser.has(entry.subject):
                return self.message_at(place.seq)
            entry = walk_on(&self.pages, &place)
        return None

    cdef uint32_t find_row(self, bytes subject) noexcept:
        cdef const char* text = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        return subjects_find(&self.subject_rows, text, size, natsd_hash(text, size, self.subject_rows.seed))

    cdef uint64_t first_of(self, uint32_t number, uint64_t seq) except? 0:
        """The first message of a subject at or after a sequence, 0 for none."""
        cdef Row* row = &self.subject_rows.rows[number]
        cdef uint64_t at = row.last, back
        cdef int steps = 0
        cdef Place place
        cdef Entry* entry
        if row.first >= seq:
            return row.first
        if row.last < seq:
            return 0
        while steps < STEPS:
            back = self.back_of(at, entry_of(&self.pages, at))
            if back < seq:
                return at
            at = back
            steps += 1
        walk_from(&self.pages, &place, seq)
        entry = walk_on(&self.pages, &place)
        while entry.subject != number:
            entry = walk_on(&self.pages, &place)
        return place.seq

    def last_match(self, list filters not None, uint64_t upto=0):
        cdef Patterns patterns = Patterns(filters)
        cdef Chooser chooser
        cdef Place place
        cdef Entry* entry
        cdef uint64_t limit = upto if upto and upto < self.last else self.last
        if not patterns.everything and not patterns.wildcards:
            found = self.last_of_each(filters, upto)
            return self.message_at(found[len(found) - 1]) if found else None
        chooser = Chooser(self, patterns)
        walk_from(&self.pages, &place, limit + 1)
        entry = walk_back(&self.pages, &place)
        while entry != NULL:
            if chooser.has(entry.subject):
                return self.message_at(place.seq)
            entry = walk_back(&self.pages, &place)
        return None

    def last_seq_of(self, bytes subject not None):
        cdef uint32_t number = self.find_row(subject)
        return 0 if number == NOBODY else self.subject_rows.rows[number].last

    def last_of_each(self, list filters not None, uint64_t upto=0):
        cdef list found = []
        cdef uint32_t number
        cdef uint64_t seq
        for number in self.rows_of(Patterns(filters)):
            seq = self.subject_rows.rows[number].last
            while upto and seq > upto:
                seq = self.back_of(seq, entry_of(&self.pages, seq))
            if seq:
                found.append(seq)
        found.sort()
        return found

    def seq_at(self, int64_t time_ns):
        cdef size_t low = self.runs_head, high = self.runs_end, at
        cdef Place place
        while low < high:
            at = (low + high) >> 1
            if self.runs[at].time_ns < time_ns:
                low = at + 1
            else:
                high = at
        if low < self.runs_end:
            walk_from(&self.pages, &place, self.runs[low].seq)
            if walk_on(&self.pages, &place) != NULL:
                return place.seq
        return self.last + 1

    def subjects(self, list filters not None):
        cdef uint32_t number
        return iter([
            (<bytes> self.subject_rows.rows[number].name, self.subject_rows.rows[number].count)
            for number in self.rows_of(Patterns(filters))
        ])

    cdef list rows_of(self, Patterns patterns):
        """The rows of the subjects that match."""
        cdef list found = []
        cdef Filter known = self.filters.get(patterns.key)
        cdef uint32_t number
        cdef bytes name
        if not patterns.everything and not patterns.wildcards:
            for name in patterns.words:
                number = self.find_row(name)
                if number != NOBODY:
                    found.append(number)
            return found
        for number in range(self.subject_rows.nrows):
            if self.subject_rows.rows[number].name != NULL:
                if patterns.everything or (has_row(known, number) if known is not None else patterns.matches(
                        <bytes> self.subject_rows.rows[number].name)):
                    found.append(number)
        return found

    cdef list all_of(self, Patterns patterns):
        """The sequences of all messages that match, ascending."""
        cdef list found = []
        cdef Chooser chooser
        cdef Place place
        cdef Entry* entry
        cdef uint32_t number
        cdef uint64_t seq
        if not patterns.everything and not patterns.wildcards:
            for number in self.rows_of(patterns):
                seq = self.subject_rows.rows[number].first
                while seq:
                    found.append(seq)
                    seq = self.ahead_of(seq, entry_of(&self.pages, seq))
            found.sort()
            return found
        chooser = Chooser(self, patterns)
        walk_from(&self.pages, &place, 0)
        entry = walk_on(&self.pages, &place)
        while entry != NULL:
            if chooser.has(entry.subject):
                found.append(place.seq)
            entry = walk_on(&self.pages, &place)
        return found

    def count(self, list filters not None, uint64_t first=0):
        cdef Patterns patterns = Patterns(filters)
        cdef Chooser chooser
        cdef uint64_t n = 0
        cdef uint32_t number
        cdef Place place
        cdef Entry* entry
        if first <= self.first:
            for number in self.rows_of(patterns):
                n += self.subject_rows.rows[number].count
            return n
        chooser = Chooser(self, patterns)
        walk_from(&self.pages, &place, first)
        entry = walk_on(&self.pages, &place)
        while entry != NULL:
            n += chooser.has(entry.subject)
            entry = walk_on(&self.pages, &place)
        return n

    # -- cursors

    def cursor(self, list filters not None, uint64_t seq):
        return Cursor(self, filters, seq)

    cdef uint64_t count_from(self, Filter wanted, uint64_t first) noexcept:
        """How many messages of a filter there are from a sequence on; from the side that is nearer."""
        cdef Place place
        cdef Entry* entry
        cdef uint64_t n = 0
        cdef size_t page
        cdef bint before
        if first <= self.first:
            return wanted.live
        if first > self.last:
            return 0
        before = first - self.first < self.last - first
        if wanted.patterns.everything:
            # Whole pages know how many they have.
            walk_from(&self.pages, &place, first)
            page = place.page
            entry = walk_on(&self.pages, &place)
            while entry != NULL and place.page == page:
                n += 1
                entry = walk_on(&self.pages, &place)
            page += 1
            while page < self.pages.end:
                n += self.pages.base[page].live
                page += 1
            return n
        walk_from(&self.pages, &place, self.first if before else first)
        entry = walk_on(&self.pages, &place)
        while entry != NULL and (not before or place.seq < first):
            n += has_row(wanted, entry.subject)
            entry = walk_on(&self.pages, &place)
        return wanted.live - n if before else n

    cdef Filter filter_of(self, Patterns patterns):
        cdef Filter wanted = self.filters.get(patterns.key), idle
        cdef uint32_t number
        cdef bytes pattern
        if wanted is not None:
            return wanted
        if self.idle:
            self.idle = False
            for idle in list(self.filters.values()):
                if idle.nspots == 0:
                    self.forget_filter(idle)
        wanted = Filter(patterns, self.last + 1)
        if patterns.everything:
            wanted.live = self.msgs
            self.everything = wanted
        else:
            for number in self.rows_of(patterns):
                row_join(&self.subject_rows.rows[number], <void*> wanted)
                wanted.admit(number)
                wanted.live += self.subject_rows.rows[number].count
            for pattern in patterns.words:
                self.words.setdefault(pattern, []).append(wanted)
            for pattern in patterns.wildcards:
                self.starts.setdefault(start_of(pattern), []).append((pattern, wanted))
        self.filters[patterns.key] = wanted
        return wanted

    cdef int forget_filter(self, Filter wanted) except -1:
        cdef uint32_t page, place, number
        cdef bytes pattern
        del self.filters[wanted.patterns.key]
        if wanted.patterns.everything:
            self.everything = None
            return 0
        for page in range(wanted.nbits):
            if wanted.bits[page] != NULL:
                for place in range(4096):
                    number = (page << 12) + place
                    if has_row(wanted, number):
                        row_leave(&self.subject_rows.rows[number], <void*> wanted)
        for pattern in wanted.patterns.words:
            drop_from(self.words, pattern, wanted)
        for pattern in wanted.patterns.wildcards:
            drop_from(self.starts, start_of(pattern), (pattern, wanted))
        return 0

    cdef int join_filters(self, uint32_t number, bytes subject) except -1:
        """Find the filters that a new subject matches."""
        cdef const char* text = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject), i
        cdef Filter wanted
        cdef bytes pattern
        cdef bint whole = True
        found = self.words.get(subject)
        if found is not None:
            for wanted in <list> found:
                row_join(&self.subject_rows.rows[number], <void*> wanted)
                wanted.admit(number)
        if not self.starts:
            return 0
        for i in range(size + 1):
            if (i == size or text[i] == c'.') and (i == 0 or text[i - 1] == c'.'):
                whole = False  # an empty token: only its own name matches
        for i in range(size if whole else 0):
            if i == 0 or text[i - 1] == c'.':
                found = self.starts.get(subject[:i])
                if found is not None:
                    for pattern, wanted in <list> found:
                        if not has_row(wanted, number) and pattern_matches(
                                PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern), text, size):
                            row_join(&self.subject_rows.rows[number], <void*> wanted)
                            wanted.admit(number)
        return 0


cdef int drop_from(dict lists, bytes key, item) except -1:
    cdef list left = lists[key]
    left.remove(item)
    if not left:
        del lists[key]
    return 0


cdef int by_number(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<uint64_t*> a)[0], y = (<uint64_t*> b)[0]
    return (x > y) - (x < y)


cdef inline bint sooner(Deadline* a, Deadline* b) noexcept:
    return a.time_ns < b.time_ns or (a.time_ns == b.time_ns and a.seq < b.seq)


cdef void sift(Deadline* heap, size_t n, size_t at) noexcept:
    cdef Deadline moved
    cdef size_t down
    if at >= n:
        return
    moved = heap[at]
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        if down + 1 < n and sooner(&heap[down + 1], &heap[down]):
            down += 1
        if not sooner(&heap[down], &moved):
            break
        heap[at] = heap[down]
        at = down
    heap[at] = moved


@cython.final
@cython.no_gc_clear
cdef class Cursor:
    """A consumer's place in a stream; see the contract."""

    def __init__(self, Index index not None, list filters not None, uint64_t seq):
        if self.index is not None:
            raise ValueError("a cursor begins once")
        self.index = index
        self.spot.next = seq or 1
        self.refilter(filters)

    def __dealloc__(self):
        if self.wanted is not None:
            self.wanted.leave(&self.spot)
            if self.wanted.nspots == 0:
                self.index.idle = True

    @property
    def next_seq(self):
        return self.spot.next

    @property
    def pending(self):
        if self.wanted is None:
            return 0
        self.wanted.catch_up(&self.spot)
        return <int64_t> self.wanted.appended - self.spot.before

    def take(self, Py_ssize_t most, uint64_t max_bytes=0, uint64_t upto=0):
        cdef Index index = self.index
        cdef uint64_t limit = upto if upto and upto < index.last else index.last
        cdef int64_t pending
        cdef uint64_t removals
        cdef Py_ssize_t n, i
        cdef size_t run
        cdef Found* found
        cdef list messages = []
        cdef list names
        cdef bint more = False
        if self.wanted is None or most <= 0:
            return messages
        self.wanted.catch_up(&self.spot)
        pending = <int64_t> self.wanted.appended - self.spot.before
        if pending == 0 or self.spot.next > limit:
            if limit >= self.spot.next:
                self.move(limit + 1)
            return messages
        found = <Found*> malloc(min(most, pending) * sizeof(Found))
        if found == NULL:
            raise MemoryError(f"no memory to take {min(most, pending)} messages")
        try:
            n = self.gather(limit, min(most, pending), max_bytes, found, &more)
            if n:
                names = [<bytes> index.subject_rows.rows[found[i].subject].name for i in range(n)]
                run = index.run_of(found[0].seq)
                time_ns = index.runs[run].time_ns
                removals = index.removals
                for i in range(n):
                    if index.removals != removals and entry_of(&index.pages, found[i].seq) == NULL:
                        continue
                    if run + 1 >= index.runs_end or run < index.runs_head or index.runs[run + 1].seq <= found[i].seq:
                        run = index.run_of(found[i].seq)
                        time_ns = index.runs[run].time_ns
                    messages.append(index.get_message(found[i].seq, found[i].position, found[i].length,
                                                      <bytes> names[i], time_ns))
            self.spot.before += n
            if more and (n < pending or n == most):
                self.move(found[n - 1].seq + 1)
            else:
                self.move(limit + 1)
        finally:
            free(found)
        return messages

    cdef int move(self, uint64_t seq) except -1:
        self.spot.next = seq
        if self.wanted.nspots == 1:
            self.wanted.lowest = seq
        return 0

    cdef Py_ssize_t gather(self, uint64_t limit, Py_ssize_t most, uint64_t max_bytes, Found* found, bint* more) except -1:
        """Up to `most` matching messages from next on. more: it stopped for `most` or max_bytes."""
        cdef Index index = self.index
        cdef Filter wanted = self.wanted
        cdef Pages* pages = &index.pages
        cdef Py_ssize_t n = 0
        cdef uint64_t seq = 0, size = 0, i = 0
        cdef Entry* entry
        cdef Place place
        cdef int way = 0  # all messages one after the other; 1: those of one subject; 2: the filter's last ones
        cdef bint everything = wanted.patterns.everything
        if wanted.recent != NULL:
            if self.spot.next >= wanted.recent_from:
                way = 2
                i = wanted.appended - RECENT if wanted.appended > RECENT else 0
            elif wanted.nsubjects == 1:
                way = 1
                seq = self.hint
                entry = entry_of(pages, seq) if seq >= self.spot.next else NULL
                if entry == NULL or entry.subject != wanted.only:
                    seq = index.first_of(wanted.only, self.spot.next)
        walk_from(pages, &place, self.spot.next)
        while True:
            if way == 0:
                entry = walk_on(pages, &place)
                if entry == NULL or place.seq > limit:
                    return n
                if not everything and not has_row(wanted, entry.subject):
                    continue
                seq = place.seq
            elif way == 1:
                if seq == 0 or seq > limit:
                    return n
                entry = entry_of(pages, seq)
            else:
                if i == wanted.appended:
                    return n
                seq = wanted.recent[i & (RECENT - 1)]
                i += 1
                if seq > limit:
                    return n
                if seq < self.spot.next:
                    continue
                entry = entry_of(pages, seq)
                if entry == NULL:
                    continue
            size += (entry.length & LENGTH) - index.overhead
            if entry.length & HEADED:
                size -= index.header_overhead
            if max_bytes and n and size > max_bytes:
                more[0] = True
                return n
            found[n].seq = seq
            found[n].position = entry.position
            found[n].length = entry.length
            found[n].subject = entry.subject
            n += 1
            if way == 1:
                seq = index.ahead_of(seq, entry)
                self.hint = seq
            if n == most:
                more[0] = True
                return n

    def peek(self, uint64_t upto=0):
        cdef Found found
        cdef bint more = False
        cdef uint64_t limit = upto if upto and upto < self.index.last else self.index.last
        cdef uint64_t hint = self.hint
        cdef Py_ssize_t n = 0
        if self.pending:
            n = self.gather(limit, 1, 0, &found, &more)
            self.hint = hint
        return found.seq if n else 0

    def seek(self, uint64_t seq):
        self.spot.next = seq or 1
        self.hint = 0
        if self.wanted is not None:
            self.wanted.catch_up(&self.spot)
            self.spot.before = self.wanted.appended - self.index.count_from(self.wanted, self.spot.next)
            self.wanted.lower(self.spot.next)

    def refilter(self, list filters not None):
        cdef Filter wanted
        cdef Patterns patterns = Patterns(filters)
        self.close()
        wanted = self.index.filter_of(patterns)
        wanted.join(&self.spot)
        self.wanted = wanted
        self.seek(self.spot.next)

    def close(self):
        cdef Filter wanted = self.wanted
        if wanted is not None:
            self.wanted = None
            wanted.leave(&self.spot)
            if wanted.nspots == 0:
                self.index.forget_filter(wanted)
