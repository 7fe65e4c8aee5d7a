# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of a cursor: a consumer's place in a stream.

Between finding messages and making objects of them nothing is held: making objects may run anything.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc

from natsd.store._native_filter cimport Filter, RECENT, has_row
from natsd.store._native_ledger cimport Ledger
from natsd.store._native_pages cimport Entry, HEADED, LENGTH, Pages, Place, entry_of, walk_from, walk_on
from natsd.store._native_subjects cimport Patterns


@cython.final
@cython.no_gc_clear
cdef class Cursor:
    """A consumer's place in a stream; see the contract."""

    def __init__(self, Ledger index not None, filters not None, uint64_t seq):
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
        cdef Ledger index = self.index
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
        cdef Ledger index = self.index
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

    def refilter(self, filters not None):
        cdef Filter wanted
        cdef Patterns patterns = filters if isinstance(filters, Patterns) else Patterns(filters)
        self.close()
        wanted = self.index.filter_of(patterns)
        wanted.join(&self.spot)
        self.wanted = wanted
        self.seek(self.spot.next)

    def close(self, *, bint ends=False):
        cdef Filter wanted = self.wanted
        if wanted is not None:
            self.wanted = None
            wanted.leave(&self.spot)
            if wanted.nspots == 0:
                if ends:
                    self.index.idle = True
                else:
                    self.index.forget_filter(wanted)
