# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_index`: the same surface, which states the rules. What it adds to the ledger are limits,
expiry and answers to questions.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_SIZE

from natsd.store._native_deadlines cimport deadlines_add, deadlines_drop, deadlines_free, deadlines_keep
from natsd.store._native_filter cimport Filter, has_row
from natsd.store._native_ledger cimport Ledger
from natsd.store._native_pages cimport (
    Entry, FAR, HEADED, LASTING, LENGTH, NOBODY, Page, Pages, Place, entry_of, natsd_fetch, page_of, walk_back,
    walk_from, walk_on
)
from natsd.store._native_subjects cimport Patterns, Row, Subjects, natsd_hash, subjects_find

from natsd.store._native_cursor import Cursor
from natsd.store._native_search import Search
from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT, State

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(object items, Py_ssize_t at)  # borrowed
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t at)

cdef enum:
    AHEAD = 16  # messages that are looked at together before they are stored
    MANY_SUBJECTS = 512  # from here on their rows are not at hand

cdef int BY_MSGS = REFUSED_MSGS
cdef int BY_BYTES = REFUSED_BYTES
cdef int BY_SUBJECT = REFUSED_PER_SUBJECT


@cython.final
@cython.internal
cdef class Chooser:
    """Which rows match, for one question: asked once per subject, or of a filter that knows."""

    cdef Ledger ledger
    cdef Patterns patterns
    cdef Filter known
    cdef uint8_t* answers  # 1 no, 2 yes
    cdef uint32_t n

    def __init__(self, Ledger ledger not None, Patterns patterns not None):
        self.ledger = ledger
        self.patterns = patterns
        self.known = ledger.known_filter(patterns)
        if not patterns.everything and self.known is None:
            self.n = ledger.subject_rows.nrows
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
            self.answers[number] = 1 + self.patterns.matches(<bytes> self.ledger.subject_rows.rows[number].name)
        return self.answers[number] == 2


cdef class Index(Ledger):
    """The messages of one stream, without their bytes. The names of the contract mean here what they mean there.

    overhead, header_overhead: what a message, and its header, cost beside their bytes.
    """

    def __init__(self, uint32_t overhead, uint32_t header_overhead=0, uint64_t first_seq=1):
        Ledger.__init__(self, overhead, header_overhead, first_seq)
        self.expired = []

    def __dealloc__(self):
        deadlines_free(&self.deadlines)

    @property
    def state(self):
        return State(
            self.msgs, self.bytes, self.first, self.time_of(self.first) if self.msgs else 0, self.last,
            self.last_time_ns, self.subject_rows.count, self.last + 1 - self.first - self.msgs if self.msgs else 0
        )

    @property
    def held_bytes(self):
        return self.bytes

    @property
    def last_seq(self):
        return self.last

    @property
    def first_seq(self):
        return self.first

    # -- adding

    def set_limits(self, limits):
        cdef uint32_t row
        cdef Row* rows
        cdef int64_t before = self.max_msgs_per_subject
        self.max_msgs = limits.max_msgs
        self.max_bytes = limits.max_bytes
        self.max_msgs_per_subject = limits.max_msgs_per_subject
        self.max_age_ns = limits.max_age_ns
        self.discard_new = limits.discard_new
        self.discard_new_per_subject = limits.discard_new_per_subject
        if self.max_msgs_per_subject > 0 and not 0 < before <= self.max_msgs_per_subject:
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

    def append(self, list batch not None, int64_t time_ns, Py_ssize_t start=0, *, bint alone=False):
        cdef Py_ssize_t at = start
        if start < 0:
            raise ValueError(f"a batch has no place {start}")
        try:
            while at < PyList_GET_SIZE(batch):
                if (at - start) % AHEAD == 0 and self.subject_rows.nrows >= MANY_SUBJECTS:
                    self.foresee(batch, at)
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
            deadlines_add(&self.deadlines, expires_ns, seq)
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

    cdef void foresee(self, list batch, Py_ssize_t at) noexcept:
        """Have what the next messages will touch fetched into the cache, all at once; nothing is changed."""
        cdef uint64_t hashes[AHEAD]
        cdef uint32_t rows[AHEAD]
        cdef Py_ssize_t i, n = min(PyList_GET_SIZE(batch) - at, <Py_ssize_t> AHEAD)
        cdef Subjects* subjects = &self.subject_rows
        cdef Row* row
        cdef PyObject* item
        cdef PyObject* name
        cdef Entry* entry
        cdef Place place
        for i in range(n):
            hashes[i] = 0
            item = PyList_GET_ITEM(batch, at + i)
            if PyTuple_CheckExact(<object> item) and PyTuple_GET_SIZE(<object> item) == 4:
                name = PyTuple_GET_ITEM(<object> item, 0)
                if PyBytes_CheckExact(<object> name):
                    hashes[i] = natsd_hash(
                        PyBytes_AS_STRING(<object> name), PyBytes_GET_SIZE(<object> name), subjects.seed)
            natsd_fetch(&subjects.slots[hashes[i] & subjects.mask])
        for i in range(n):
            at = hashes[i] & subjects.mask
            while subjects.slots[at].row != NOBODY and subjects.slots[at].tag != <uint32_t> hashes[i]:
                at = (at + 1) & subjects.mask
            rows[i] = subjects.slots[at].row
            if rows[i] != NOBODY:
                row = &subjects.rows[rows[i]]
                natsd_fetch(row)
                natsd_fetch(&row.last)
        for i in range(n):
            if rows[i] != NOBODY:
                row = &subjects.rows[rows[i]]
                natsd_fetch(row.name)
                natsd_fetch(probable(&self.pages, row.last))
                if self.max_msgs_per_subject > 0 and row.first != row.last:
                    natsd_fetch(probable(&self.pages, row.first))
        if self.max_msgs_per_subject > 0:
            for i in range(n):
                if rows[i] != NOBODY:
                    entry = probable(&self.pages, subjects.rows[rows[i]].first)
                    if entry != NULL:
                        self.fetch_message(entry.position)
        if self.max_msgs > 0 and self.msgs + AHEAD > <uint64_t> self.max_msgs and not self.discard_new:
            walk_from(&self.pages, &place, self.first)
            for i in range(n):
                entry = walk_on(&self.pages, &place)
                if entry == NULL:
                    break
                rows[i] = entry.subject
                natsd_fetch(&subjects.rows[rows[i]].count)
                if entry.ahead and entry.ahead != FAR:
                    natsd_fetch(probable(&self.pages, place.seq + entry.ahead))
                self.fetch_message(entry.position)

    cdef int add_message(self, uint64_t seq, const char* subject, size_t size, uint64_t position, uint32_t length,
                         int64_t time_ns) except -1:
        return self.store(seq, self.row_of(None, subject, size), position, length, time_ns)

    def add(self, uint64_t seq, bytes name not None, uint64_t position, uint32_t length, bint headed, int64_t time_ns):
        """Know of a message that is kept already (replay of a log); limits are not looked at."""
        if seq <= self.last:
            raise ValueError(f"sequence {seq} is not above the last, {self.last}")
        self.add_message(seq, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), position,
                         (length & LENGTH) | (HEADED if headed else 0), time_ns)

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

    # -- removing

    cdef int tidy(self) except -1:
        cdef size_t i, n = 0
        Ledger.tidy(self)
        if self.deadlines.n > 2 * self.msgs + 64:
            for i in range(self.deadlines.n):
                if entry_of(&self.pages, self.deadlines.items[i].seq) != NULL:
                    self.deadlines.items[n] = self.deadlines.items[i]
                    n += 1
            deadlines_keep(&self.deadlines, n)
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

    def expire(self, int64_t wall_ns, Py_ssize_t most=4096):
        cdef int64_t due = 0, aged
        cdef uint64_t seq
        cdef Entry* entry
        self.expired = []
        while self.deadlines.n:
            seq = self.deadlines.items[0].seq
            entry = entry_of(&self.pages, seq)
            if entry != NULL:
                if self.deadlines.items[0].time_ns > wall_ns or PyList_GET_SIZE(self.expired) >= most:
                    due = max(self.deadlines.items[0].time_ns, wall_ns)
                    break
                self.expired.append((seq, <bytes> self.subject_rows.rows[entry.subject].name, True))
                self.cut(seq)
            deadlines_drop(&self.deadlines)
        if self.max_age_ns > 0:
            aged = self.expire_by_age(wall_ns, most)
            due = min(due, aged) if due and aged else due or aged
        self.tell()
        return due

    cdef int64_t expire_by_age(self, int64_t wall_ns, Py_ssize_t most) except? 0:
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
            if when > wall_ns or PyList_GET_SIZE(self.expired) >= most:
                return max(when, wall_ns)
            self.expired.append((place.seq, <bytes> self.subject_rows.rows[entry.subject].name, False))
            self.cut(place.seq)
            self.ageless = place.seq + 1

    # -- looking

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

    def scan(self, uint64_t seq, uint64_t upto, list filters not None, Py_ssize_t most, Py_ssize_t steps):
        cdef Patterns patterns = Patterns(filters)
        cdef Chooser chooser = None
        cdef Place place
        cdef Entry* entry = NULL
        cdef bint back = upto < seq, chained = False
        cdef uint64_t at = seq
        cdef uint32_t only = NOBODY
        cdef list seqs = [], found = []
        if len(patterns.words) == 1 and len(patterns.key) == 1:
            # Messages of one subject know each other, once the first of them is found.
            only = self.find_row(patterns.key[0])
            if only == NOBODY:
                return found, 0
            at = min(seq, self.subject_rows.rows[only].last) if back else max(seq, self.subject_rows.rows[only].first)
            entry = entry_of(&self.pages, at)
            chained = entry != NULL and entry.subject == only
        else:
            chooser = Chooser(self, patterns)
        walk_from(&self.pages, &place, seq + 1 if back else seq)
        while steps > 0 and PyList_GET_SIZE(seqs) < most:
            steps -= 1
            if not chained:
                entry = walk_back(&self.pages, &place) if back else walk_on(&self.pages, &place)
                at = 0 if entry == NULL else place.seq
                chained = entry != NULL and entry.subject == only
            if at == 0 or ((at < upto) if back else (at > upto)):
                break
            if chained or (only == NOBODY and chooser.has(entry.subject)):
                seqs.append(at)
            if chained:
                entry = entry_of(&self.pages, at)
                at = self.back_of(at, entry) if back else self.ahead_of(at, entry)
            else:
                at = at - 1 if back else at + 1
        for seq in seqs:
            entry = entry_of(&self.pages, seq)
            if entry != NULL:  # making objects may run anything
                found.append((seq, self.time_of(seq), <bytes> self.subject_rows.rows[entry.subject].name))
        return found, 0 if (at < upto if back else at > upto) else at

    def search(self, list filters not None):
        return Search(self, filters)

    def cursor(self, filters not None, uint64_t seq):
        return Cursor(self, filters, seq)


cdef inline Entry* probable(Pages* pages, uint64_t seq) noexcept:
    """Where a message lies, if it lies in a page without gaps; else NULL."""
    cdef Page* page = page_of(pages, seq)
    if page == NULL or page.offsets != NULL or seq < page.first or seq - page.first >= page.n:
        return NULL
    return &page.entries[seq - page.first]
