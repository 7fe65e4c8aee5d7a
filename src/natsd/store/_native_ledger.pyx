# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What there is in a stream, for the native index: messages, their subjects, their times, and who waits for them.

It knows no limits; it keeps everything in step when a message comes (`store`) and goes (`cut`), and finds what is crowded
and what is missing.
No address of a place or a row is used after something was added or removed.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memmove
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE

from natsd.store._native_filter cimport Filter, filter_appended, filter_removed, has_row
from natsd.store._native_pages cimport (
    Entry, FAR, LENGTH, NOBODY, Page, Place, entry_in, entry_of, page_of, pages_cut, pages_free, pages_put, walk_from,
    walk_on
)
from natsd.store._native_subjects cimport (
    Patterns, Row, natsd_hash, pattern_matches, row_filter, row_join, row_leave, start_of, subjects_add,
    subjects_begin, subjects_drop, subjects_find, subjects_free
)

cdef enum:
    TOLD_AT_ONCE = 65536  # removed sequences in one call of on_removed
    ROWS_A_MESSAGE = 64  # looked at in the time that a message takes
    STEPS = 256  # back along a subject before all messages are looked through


cdef class Ledger:
    """The messages of one stream, without their bytes."""

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
        self.far_back = {}
        self.far_ahead = {}
        self.filters = {}
        self.words = {}
        self.starts = {}

    def __dealloc__(self):
        pages_free(&self.pages)
        subjects_free(&self.subject_rows)
        free(self.runs)
        free(self.gone)

    # -- what a store overrides

    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0:
        raise NotImplementedError("a store says where bytes are kept")

    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns):
        raise NotImplementedError("a store says where bytes are kept")

    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1:
        return 0

    cdef void fetch_message(self, uint64_t position) noexcept:
        """A store whose bytes are in memory has them fetched."""

    # -- figures

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

    cdef uint32_t find_row(self, bytes subject) noexcept:
        cdef const char* text = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        return subjects_find(&self.subject_rows, text, size, natsd_hash(text, size, self.subject_rows.seed))

    cdef tuple message_at(self, uint64_t seq):
        cdef Entry* entry = entry_of(&self.pages, seq)
        if entry == NULL:
            return None
        return self.get_message(seq, entry.position, entry.length,
                                <bytes> self.subject_rows.rows[entry.subject].name, self.time_of(seq))

    # -- adding

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

    # -- neighbours

    cdef uint64_t back_of(self, uint64_t seq, Entry* entry) except? 0:
        if entry.back == FAR:
            return self.far_back[seq]
        return seq - entry.back if entry.back else 0

    cdef uint64_t ahead_of(self, uint64_t seq, Entry* entry) except? 0:
        if entry.ahead == FAR:
            return self.far_ahead[seq]
        return seq + entry.ahead if entry.ahead else 0

    cdef int set_back(self, uint64_t seq, Entry* entry, uint64_t to) except -1:
        if entry.back == FAR:
            del self.far_back[seq]
        if to and seq - to >= FAR:
            self.far_back[seq] = to
            entry.back = FAR
        else:
            entry.back = <uint32_t> (seq - to) if to else 0
        return 0

    cdef int set_ahead(self, uint64_t seq, Entry* entry, uint64_t to) except -1:
        if entry.ahead == FAR:
            del self.far_ahead[seq]
        if to and to - seq >= FAR:
            self.far_ahead[seq] = to
            entry.ahead = FAR
        else:
            entry.ahead = <uint32_t> (to - seq) if to else 0
        return 0

    cdef uint64_t first_of(self, uint32_t number, uint64_t seq) except? 0:
        """The first message of a subject at or after a sequence, 0 for none."""
        cdef Row* row = &self.subject_rows.rows[number]
        cdef uint64_t at = row.last, back
        cdef int steps = 0
        cdef Place place
        cdef Entry* entry
        place.seq = 0
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
        while entry != NULL and entry.subject != number:
            entry = walk_on(&self.pages, &place)
        return place.seq

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
        self.far_back.clear()
        self.far_ahead.clear()
        self.removals += 1
        self.msgs = self.bytes = 0
        self.first = self.last + 1
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

    # -- what is there

    def crowded(self, uint64_t per_subject, uint32_t at, Py_ssize_t most):
        cdef list found = []
        cdef uint32_t rows = self.subject_rows.nrows, last = rows
        cdef Row* row
        cdef uint64_t seq, too_many
        at = at - 1 if at else 0
        if rows - at > <uint32_t> most * ROWS_A_MESSAGE and at < rows:
            last = at + <uint32_t> most * ROWS_A_MESSAGE
        while at < last:
            row = &self.subject_rows.rows[at]
            if row.name != NULL and row.count > per_subject:
                too_many = row.count - per_subject
                seq = row.first
                while too_many and PyList_GET_SIZE(found) < most:
                    found.append(seq)
                    seq = self.ahead_of(seq, entry_of(&self.pages, seq))
                    too_many -= 1
                if too_many:
                    break
            at += 1
        found.sort()
        return found, at + 1 if at < rows else 0

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

    # -- clearing up

    cdef int tidy(self) except -1:
        """Let go of times that no message has."""
        while self.runs_end - self.runs_head > 1 and self.runs[self.runs_head + 1].seq <= self.first:
            self.runs_head += 1
        if self.runs_head > 64 and self.runs_head * 2 > self.runs_end:
            self.runs_end -= self.runs_head
            memmove(self.runs, self.runs + self.runs_head, self.runs_end * sizeof(Run))
            self.runs_head = 0
        return 0

    # -- filters

    cdef list rows_of(self, Patterns patterns):
        """The rows of the subjects that match."""
        cdef list found = []
        cdef Filter known = self.known_filter(patterns)
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

    cdef Filter known_filter(self, Patterns patterns):
        """The filter that knows all its rows; None where there is none."""
        cdef Filter wanted = self.filters.get(patterns.key)
        return wanted if wanted is not None and wanted.swept >= wanted.until else None

    cdef Filter filter_of(self, Patterns patterns):
        cdef Filter wanted = self.filters.get(patterns.key)
        if wanted is None:
            wanted = self.begin_filter(patterns)
        if wanted.swept < wanted.until:
            self.sweep(wanted, wanted.until)
        return wanted

    cdef Filter begin_filter(self, Patterns patterns):
        """A filter that finds the rows to come; those there are it finds by `sweep`."""
        cdef Filter wanted, idle
        cdef uint32_t number
        cdef bytes pattern
        if self.idle:
            self.idle = False
            for idle in list(self.filters.values()):
                if idle.nspots == 0 and idle.searches == 0:
                    self.forget_filter(idle)
        wanted = Filter(patterns, self.last + 1)
        if patterns.everything:
            wanted.live = self.msgs
            self.everything = wanted
        else:
            if patterns.wildcards:
                wanted.until = self.subject_rows.nrows
            else:
                for pattern in patterns.words:
                    number = self.find_row(pattern)
                    if number != NOBODY:
                        self.join_filter(number, wanted)
            for pattern in patterns.words:
                self.words.setdefault(pattern, []).append(wanted)
            for start, pattern in doors(patterns):
                self.starts.setdefault(start, []).append((pattern, wanted))
        self.filters[patterns.key] = wanted
        return wanted

    cdef int sweep(self, Filter wanted, uint32_t most) except -1:
        """Have a filter look at so many more of the rows there were when it began."""
        cdef uint32_t number, end = wanted.until
        cdef Row* row
        if most < end - wanted.swept:
            end = wanted.swept + most
        for number in range(wanted.swept, min(end, self.subject_rows.nrows)):
            row = &self.subject_rows.rows[number]
            if row.name != NULL and not has_row(wanted, number) and wanted.patterns.matches(<bytes> row.name):
                self.join_filter(number, wanted)
        wanted.swept = end
        if end == wanted.until:
            wanted.recent_from = self.last + 1  # before, it may have missed some
        return 0

    cdef int join_filter(self, uint32_t number, Filter wanted) except -1:
        """A row that there is matches a filter."""
        row_join(&self.subject_rows.rows[number], <void*> wanted)
        wanted.admit(number)
        wanted.live += self.subject_rows.rows[number].count
        return 0

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
        for start, pattern in doors(wanted.patterns):
            drop_from(self.starts, start, (pattern, wanted))
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
                        if not has_row(wanted, number) and (
                                wanted.patterns.matches(subject) if pattern is None else pattern_matches(
                                    PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern), text, size)):
                            row_join(&self.subject_rows.rows[number], <void*> wanted)
                            wanted.admit(number)
        return 0


cdef list doors(Patterns patterns):
    """What stands before a wildcard, with the pattern that goes on there; None where there are many to try at once."""
    cdef bytes pattern
    if patterns.tree is not None:
        return [(start, None) for start in {start_of(pattern) for pattern in patterns.wildcards}]
    return [(start_of(pattern), pattern) for pattern in patterns.wildcards]


cdef int drop_from(dict lists, bytes key, item) except -1:
    cdef list left = lists[key]
    left.remove(item)
    if not left:
        del lists[key]
    return 0


cdef int by_number(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<uint64_t*> a)[0], y = (<uint64_t*> b)[0]
    return (x > y) - (x < y)
