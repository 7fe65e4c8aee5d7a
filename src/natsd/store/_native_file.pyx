# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=False
"""Native form of `_plain_file`: a stream's index whose messages lie in the native log."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from natsd.store._native_index cimport Index
from natsd.store._native_log cimport (
    EXPIRES, FIXED, HEADED as RECORD_HEADED, MESSAGE, RELOCATED, WATERMARK, Fixed, Log, count_live, natsd_crc,
    natsd_crc_prepare
)
from natsd.store._native_pages cimport Entry, HEADED, LENGTH, Place, entry_of, walk_from, walk_on
from natsd.store._native_subjects cimport Row

from natsd.store.contract import StoreError
from natsd.store.records import runs_of

cdef enum:
    OVERHEAD = 30  # a message in a file counts for its bytes and these
    HEADER_OVERHEAD = 4
    EXTRAS = 16
    ERASED = 14


natsd_crc_prepare()


cdef class Runs:
    """A set of sequences, as runs."""

    cdef uint64_t* ends  # first and last of each
    cdef size_t n, hint
    cdef readonly uint64_t count

    def __init__(self, list runs not None):
        cdef size_t i = 0
        self.ends = <uint64_t*> malloc((2 * len(runs) + 1) * sizeof(uint64_t))
        if self.ends == NULL:
            raise MemoryError("no memory to open the store with")
        for first, last in runs:
            self.ends[2 * i] = first
            self.ends[2 * i + 1] = last
            self.count += self.ends[2 * i + 1] - self.ends[2 * i] + 1
            i += 1
        self.n = i

    def __dealloc__(self):
        free(self.ends)

    cdef bint holds(self, uint64_t seq) noexcept:
        cdef size_t low = 0, high = self.n, middle
        if self.n and self.ends[2 * self.hint] <= seq <= self.ends[2 * self.hint + 1]:
            return True
        while low < high:
            middle = (low + high) >> 1
            if self.ends[2 * middle] <= seq:
                low = middle + 1
            else:
                high = middle
        if low == 0 or seq > self.ends[2 * low - 1]:
            return False
        self.hint = low - 1
        return True

    def has(self, uint64_t seq):
        return self.holds(seq)

    def without(self, FileIndex index not None):
        """Runs of what is in the set and not in a stream."""
        cdef list missing = []
        cdef size_t i
        cdef uint64_t seq
        if index.msgs == self.count:
            return missing
        for i in range(self.n):
            for seq in range(self.ends[2 * i], self.ends[2 * i + 1] + 1):
                if entry_of(&index.pages, seq) == NULL:
                    missing.append(seq)
        return runs_of(missing)


cdef class FileIndex(Index):
    """The messages of one stream, with their bytes in a log. number: the stream's in the log."""

    cdef Log log
    cdef readonly uint32_t number
    cdef public int64_t expires_ns
    cdef public list lost

    def __init__(self, Log log not None, uint32_t number, uint64_t first_seq=1):
        Index.__init__(self, OVERHEAD, HEADER_OVERHEAD, first_seq)
        self.log = log
        self.number = number
        self.expires_ns = -1
        self.lost = []

    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0:
        cdef size_t subject_n = PyBytes_GET_SIZE(subject), payload_n = PyBytes_GET_SIZE(payload)
        cdef const char* head = NULL
        cdef Py_ssize_t head_n = -1
        cdef uint64_t place
        if header is not None:
            head = PyBytes_AS_STRING(header)
            head_n = PyBytes_GET_SIZE(header)
        place = self.log.put(MESSAGE, self.number, seq, time_ns, self.expires_ns, PyBytes_AS_STRING(subject), subject_n,
                             head, head_n, PyBytes_AS_STRING(payload), payload_n)
        count_live(self.log, <uint32_t> (place >> 32), self.length_of(subject_n, max(head_n, 0), payload_n) & LENGTH)
        return place

    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns):
        cdef size_t left = 0
        cdef const char* at = self.log.recent(position, &left)
        cdef const Fixed* fixed
        cdef const char* data
        cdef object header = None
        if at == NULL:
            at = self.log.window(position, (length & LENGTH) - OVERHEAD + FIXED + EXTRAS, &left)
            fixed = <const Fixed*> at
            if (at == NULL or left < FIXED or fixed.length > left or fixed.length < FIXED or fixed.seq != seq
                    or natsd_crc(<uint32_t> (position >> 32), at + 4, fixed.length - 4) != fixed.crc):
                self.lost.append(seq)
                raise StoreError(f"message {seq} of stream {self.number} cannot be read back")
        fixed = <const Fixed*> at
        data = at + FIXED
        if fixed.flags & WATERMARK:
            data += 8
        if fixed.flags & EXPIRES:
            data += 8
        data += fixed.subject
        if fixed.flags & RECORD_HEADED:
            header = PyBytes_FromStringAndSize(data, fixed.header)
            data += fixed.header
        return seq, subject, header, PyBytes_FromStringAndSize(data, at + fixed.length - data), time_ns

    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1:
        return count_live(self.log, <uint32_t> (position >> 32), -<int64_t> (length & LENGTH))

    def place(self, uint64_t seq):
        """Where a message lies; -1 where there is none."""
        cdef Entry* entry = entry_of(&self.pages, seq)
        return -1 if entry == NULL else entry.position

    def move(self, uint64_t seq, uint64_t place):
        """A message that is there lies elsewhere from now on."""
        cdef Entry* entry = entry_of(&self.pages, seq)
        if entry == NULL:
            raise KeyError(seq)
        count_live(self.log, <uint32_t> (entry.position >> 32), -<int64_t> (entry.length & LENGTH))
        count_live(self.log, <uint32_t> (place >> 32), entry.length & LENGTH)
        entry.position = place

    cdef int know(self, uint64_t seq, uint64_t place, int64_t time_ns, const char* subject, size_t subject_n,
                  Py_ssize_t header_n, size_t payload_n, bint limited) except -1:
        """A message of the log that comes after all others. limited: with what the limits make of it."""
        cdef uint32_t length = self.length_of(subject_n, max(header_n, 0), payload_n)
        cdef uint32_t number = self.row_of(None, subject, subject_n)
        cdef Row* row
        self.store(seq, number, place, length, time_ns)
        count_live(self.log, <uint32_t> (place >> 32), length & LENGTH)
        if limited:
            if self.max_msgs_per_subject > 0:
                row = &self.subject_rows.rows[number]
                while row.count > <uint64_t> self.max_msgs_per_subject:
                    self.cut(row.first)
            if not self.discard_new:
                self.evict()
        return 0

    def replay(self, record):
        """A message of the log that comes after all others: as it was appended, with what the limits make of it."""
        self.know_record(record, True)

    def restore(self, record):
        """A message that is known to be live; sequences ascend, limits are not looked at."""
        self.know_record(record, False)

    cdef int know_record(self, record, bint limited) except -1:
        cdef bytes subject = record.subject
        cdef uint64_t seq = record.seq
        cdef Py_ssize_t header_n = 0 if record.header is None else len(record.header)
        if seq <= self.last:
            raise ValueError(f"sequence {seq} is not above the last, {self.last}")
        self.know(seq, record.place, record.time_ns, PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject), header_n,
                  len(record.payload), limited)
        if record.expires_ns >= 0:
            self.set_expiry(seq, record.expires_ns)
        if limited:
            self.tell()
        return 0

    def rebuild(self, list places not None, dict maps not None):
        """Know of exactly these (sequence, place), ascending; maps: the bytes of each segment."""
        cdef uint64_t seq, place, segment = 0
        cdef const uint8_t[::1] view = None
        cdef const Fixed* fixed
        cdef const char* at
        self.clear()
        self.last = self.first = 0
        self.runs_head = self.runs_end = self.deadlines.n = 0
        for seq, place in places:
            if view is None or place >> 32 != segment:
                segment = place >> 32
                view = maps[segment]
            at = <const char*> &view[<uint32_t> place]
            self.know_bytes(<const Fixed*> at, place, False)

    cdef int know_bytes(self, const Fixed* fixed, uint64_t place, bint limited) except -1:
        """As know, of a record that validates."""
        cdef const char* at = <const char*> fixed + FIXED
        cdef int64_t expires_ns = -1
        cdef size_t used
        if fixed.flags & WATERMARK:
            at += 8
        if fixed.flags & EXPIRES:
            memcpy(&expires_ns, at, 8)
            at += 8
        used = <size_t> (at - <const char*> fixed) + fixed.subject + fixed.header
        if used > fixed.length:
            raise StoreError(f"message {fixed.seq} of stream {self.number} has no room for its own subject")
        self.know(fixed.seq, place, fixed.time_ns, at, fixed.subject,
                  <Py_ssize_t> fixed.header if fixed.flags & RECORD_HEADED else -1, fixed.length - used, limited)
        if fixed.flags & EXPIRES:
            self.set_expiry(fixed.seq, expires_ns)
        return 0

    def resume(self, uint64_t last_seq, int64_t last_time_ns):
        """Where the stream had come to, beyond what is live."""
        Index.skip(self, last_seq)
        self.last_time_ns = last_time_ns

    def live_runs(self):
        """(first, last) of each run of sequences that are there."""
        cdef list runs = []
        cdef uint64_t first = 0, last = 0
        cdef Place place
        cdef Entry* entry
        walk_from(&self.pages, &place, 0)
        while True:
            entry = walk_on(&self.pages, &place)
            if entry != NULL and first and place.seq == last + 1:
                last = place.seq
                continue
            if first:
                runs.append((first, last))
            if entry == NULL:
                return runs
            first = last = place.seq


cdef inline bint whole(const char* at, size_t left, uint32_t segment) noexcept:
    """Does a record begin there?"""
    cdef const Fixed* fixed = <const Fixed*> at
    return (left >= FIXED and FIXED <= fixed.length <= left
            and natsd_crc(segment, at + 4, fixed.length - 4) == fixed.crc)


def replay_run(data, size_t at, size_t stop, uint64_t segment, dict streams, uint64_t above):
    """Take the messages that follow each other from data[at] on, as `FileIndex.replay` does, up to the first record
    that is something else, lies below a place, or does not validate. Returns where that is."""
    cdef const uint8_t[::1] view = data
    cdef const char* base
    cdef const Fixed* fixed
    cdef FileIndex index = None
    stop = min(stop, <size_t> view.shape[0])
    if at >= stop:
        return at
    base = <const char*> &view[0]
    while at + FIXED <= stop:
        fixed = <const Fixed*> (base + at)
        if fixed.kind != MESSAGE or (segment << 32 | at) < above or not whole(base + at, stop - at, segment):
            break
        if index is None or index.number != fixed.stream:
            found = streams.get(fixed.stream)
            if found is None:
                break
            index = found
        if fixed.seq != index.last + 1:
            break
        index.know_bytes(fixed, segment << 32 | at, True)
        at += fixed.length
    return at


def restore_run(data, size_t at, size_t stop, uint64_t segment, dict streams, dict wanted):
    """Take the live messages (wanted: the Runs of each stream) from data[at] on, up to the first that is out of order,
    or a record that does not validate. Returns where that is."""
    cdef const uint8_t[::1] view = data
    cdef const char* base
    cdef const Fixed* fixed
    cdef FileIndex index = None
    cdef Runs runs = None
    stop = min(stop, <size_t> view.shape[0])
    if at >= stop:
        return at
    base = <const char*> &view[0]
    while at + FIXED <= stop:
        fixed = <const Fixed*> (base + at)
        if not whole(base + at, stop - at, segment):
            break
        if fixed.kind == MESSAGE or fixed.kind == RELOCATED:
            if index is None or index.number != fixed.stream:
                found = streams.get(fixed.stream)
                if found is None or fixed.stream not in wanted:
                    at += fixed.length
                    continue
                index = found
                runs = wanted[fixed.stream]
            if runs.holds(fixed.seq):
                if fixed.seq > index.last:
                    index.know_bytes(fixed, segment << 32 | at, False)
                elif entry_of(&index.pages, fixed.seq) != NULL:
                    index.move(fixed.seq, segment << 32 | at)
                else:
                    break
        at += fixed.length
    return at


def survey(data, size_t at, uint64_t segment):
    """The highest watermark of the records from data[at] on, whatever lies between them, and where ERASED ones are."""
    cdef const uint8_t[::1] view = data
    cdef const char* base
    cdef const Fixed* fixed
    cdef size_t stop = view.shape[0]
    cdef uint64_t highest = 0, watermark
    cdef list erased = []
    if at >= stop:
        return highest, erased
    base = <const char*> &view[0]
    while at + FIXED <= stop:
        fixed = <const Fixed*> (base + at)
        if fixed.kind == 0 or fixed.kind > ERASED or fixed.extra or not whole(base + at, stop - at, segment):
            at += 1
            continue
        if fixed.flags & WATERMARK:
            memcpy(&watermark, base + at + FIXED, 8)
            highest = max(highest, watermark)
        if fixed.kind == ERASED:
            erased.append(at)
        at += fixed.length
    return highest, erased
