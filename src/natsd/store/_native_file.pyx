# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=False
"""Native form of `_plain_file`: a stream's index whose messages lie in the native log."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from natsd.store._native_index cimport Index
from natsd.store._native_log cimport (
    EXPIRES, FIXED, HEADED as RECORD_HEADED, MESSAGE, PACKED, RELOCATED, WATERMARK, Fixed, Log, count_live,
    natsd_crc_prepare, seed_of
)
from natsd.store._native_pages cimport Entry, HEADED, LENGTH, Place, entry_of, walk_from, walk_on
from natsd.store._native_subjects cimport Row
from natsd.store._native_whole cimport saved_by, whole

from natsd.store.compression import pack, unpack
from natsd.store.contract import StoreError
from natsd.store.records import runs_of

cdef enum:
    OVERHEAD = 30  # a message in a file counts for its bytes and these
    HEADER_OVERHEAD = 4
    EXTRAS = 16

cdef struct Found:  # a message, where it lies
    uint64_t seq
    uint64_t place


natsd_crc_prepare()


cdef int in_order(const void* one, const void* two) noexcept nogil:
    cdef const Found* a = <const Found*> one
    cdef const Found* b = <const Found*> two
    if a.seq != b.seq:
        return -1 if a.seq < b.seq else 1
    return -1 if a.place < b.place else a.place > b.place


cdef inline uint64_t varint(const uint8_t** at, const uint8_t* end) noexcept:
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef uint8_t byte = 128
    while byte & 128 and at[0] < end:
        byte = at[0][0]
        at[0] += 1
        value |= <uint64_t> (byte & 127) << shift
        shift = (shift + 7) & 63
    return value


cdef class Runs:
    """A set of sequences: rendered ranges, of which each lies above the one before."""

    cdef uint64_t* ends  # first and last of each
    cdef size_t n, hint
    cdef readonly uint64_t count

    def __init__(self, list ranges not None):
        cdef const uint8_t* at
        cdef const uint8_t* end
        cdef uint64_t seq
        cdef size_t most = 1
        cdef bytes data
        for data in ranges:
            most += PyBytes_GET_SIZE(data)  # a run takes two bytes or more, and two of these
        self.ends = <uint64_t*> malloc(most * sizeof(uint64_t))
        if self.ends == NULL:
            raise MemoryError("no memory to open the store with")
        for data in ranges:
            at = <const uint8_t*> PyBytes_AS_STRING(data)
            end = at + PyBytes_GET_SIZE(data)
            seq = 0
            while at + 1 < end:
                seq += varint(&at, end)
                self.ends[2 * self.n] = seq
                seq += varint(&at, end)
                self.ends[2 * self.n + 1] = seq - 1
                self.count += seq - self.ends[2 * self.n]
                self.n += 1

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
    cdef public bint packs
    cdef public list lost
    cdef readonly bint headed  # something had a header, of what was found or came since
    cdef Found* late  # met out of order while the store is opened
    cdef size_t late_n, late_cap

    def __init__(self, Log log not None, uint32_t number, uint64_t first_seq=1):
        Index.__init__(self, OVERHEAD, HEADER_OVERHEAD, first_seq)
        self.log = log
        self.number = number
        self.expires_ns = -1
        self.lost = []

    def __dealloc__(self):
        free(self.late)

    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0:
        cdef size_t subject_n = PyBytes_GET_SIZE(subject), payload_n = PyBytes_GET_SIZE(payload)
        cdef const char* head = NULL
        cdef Py_ssize_t head_n = -1
        cdef uint64_t place
        cdef object block = pack(payload) if self.packs else None
        if header is not None:
            head = PyBytes_AS_STRING(header)
            head_n = PyBytes_GET_SIZE(header)
            self.headed = True
        if block is not None:
            payload = <bytes?> block
        place = self.log.put(MESSAGE, self.number, seq, time_ns, self.expires_ns, PyBytes_AS_STRING(subject), subject_n,
                             head, head_n, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload),
                             0 if block is None else PACKED)
        if block is not None:
            self.log.save(<uint32_t> (place >> 32), payload_n - PyBytes_GET_SIZE(payload))
        count_live(self.log, <uint32_t> (place >> 32), self.length_of(subject_n, max(head_n, 0), payload_n) & LENGTH)
        return place

    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns):
        cdef size_t left = 0
        cdef const char* at = self.log.recent(position, &left)
        cdef const Fixed* fixed
        cdef const char* data
        cdef object header = None, payload
        if at == NULL:
            at = self.log.window(position, (length & LENGTH) - OVERHEAD + FIXED + EXTRAS, &left)
            fixed = <const Fixed*> at
            if at == NULL or not whole(at, left, seed_of(position, self.log.salt)) or fixed.seq != seq:
                raise self.lose(seq)
            if fixed.flags & PACKED:
                self.log.read_end = position + fixed.length
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
        payload = PyBytes_FromStringAndSize(data, at + fixed.length - data)
        if fixed.flags & PACKED:
            payload = unpack(payload)
            if payload is None:
                raise self.lose(seq)
        return seq, subject, header, payload, time_ns

    cdef object lose(self, uint64_t seq):
        self.lost.append(seq)
        return StoreError(f"message {seq} of stream {self.number} cannot be read back")

    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1:
        return count_live(self.log, <uint32_t> (position >> 32), -<int64_t> (length & LENGTH))

    def place(self, uint64_t seq):
        """Where a message lies; -1 where there is none."""
        cdef Entry* entry = entry_of(&self.pages, seq)
        return -1 if entry == NULL else entry.position

    def move(self, uint64_t seq, uint64_t place, int64_t saved=0):
        """A message that is there lies elsewhere from now on. saved: how much longer it would be there unpacked."""
        cdef Entry* entry = entry_of(&self.pages, seq)
        if entry == NULL:
            raise KeyError(seq)
        count_live(self.log, <uint32_t> (entry.position >> 32), -<int64_t> (entry.length & LENGTH))
        count_live(self.log, <uint32_t> (place >> 32), entry.length & LENGTH)
        self.log.save(<uint32_t> (place >> 32), saved)
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
        if record.header is not None:
            self.headed = True
        self.know(seq, record.place, record.time_ns, PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject), header_n,
                  record.payload_bytes, limited)
        self.log.save(<uint32_t> (<uint64_t> record.place >> 32), record.saved_bytes)
        if record.expires_ns >= 0:
            self.set_expiry(seq, record.expires_ns)
        if limited:
            self.tell()
        return 0

    def defer(self, record):
        """A live message that was met behind others with higher sequences."""
        self.log.save(<uint32_t> (<uint64_t> record.place >> 32), record.saved_bytes)
        self.hold_back(record.seq, record.place)

    cdef int hold_back(self, uint64_t seq, uint64_t place) except -1:
        cdef Found* wider
        if self.late_n == self.late_cap:
            wider = <Found*> realloc(self.late, (2 * self.late_cap + 1024) * sizeof(Found))
            if wider == NULL:
                raise MemoryError("no memory to open the store with")
            self.late = wider
            self.late_cap = 2 * self.late_cap + 1024
        self.late[self.late_n].seq = seq
        self.late[self.late_n].place = place
        self.late_n += 1
        return 0

    def fold(self, object maps not None):
        """Give the messages that were met out of order their place; maps: the bytes of each segment."""
        cdef uint64_t segment = 0
        cdef const uint8_t[::1] view = None
        cdef size_t i
        cdef Place place
        cdef Entry* entry
        if not self.late_n:
            return
        walk_from(&self.pages, &place, 0)
        while True:
            entry = walk_on(&self.pages, &place)
            if entry == NULL:
                break
            self.hold_back(place.seq, entry.position)
        qsort(self.late, self.late_n, sizeof(Found), in_order)
        self.clear()
        self.last = self.first = 0
        self.runs_head = self.runs_end = self.deadlines.n = 0
        for i in range(self.late_n):
            if i + 1 < self.late_n and self.late[i + 1].seq == self.late[i].seq:
                continue  # there is a later copy
            if view is None or self.late[i].place >> 32 != segment:
                segment = self.late[i].place >> 32
                view = maps[segment]
            self.know_bytes(<const Fixed*> &view[<uint32_t> self.late[i].place], self.late[i].place, False)
        free(self.late)
        self.late = NULL
        self.late_n = self.late_cap = 0

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
        if fixed.flags & RECORD_HEADED:
            self.headed = True
        self.know(fixed.seq, place, fixed.time_ns, at, fixed.subject,
                  <Py_ssize_t> fixed.header if fixed.flags & RECORD_HEADED else -1,
                  fixed.length - used + saved_by(fixed), limited)
        if fixed.flags & EXPIRES:
            self.set_expiry(fixed.seq, expires_ns)
        return 0

    def resume(self, uint64_t last_seq, int64_t last_time_ns):
        """Where the stream had come to, beyond what is live."""
        Index.skip(self, last_seq)
        self.last_time_ns = last_time_ns

    def live_ranges(self, uint64_t first, uint64_t upto, size_t most):
        """The rendered ranges of the messages from one sequence up to another, `most` messages at most, and where to
        go on: 0 where that was all."""
        cdef bytearray ranges = bytearray()
        cdef uint64_t end = 0, begin = 0, last = 0
        cdef Place place
        cdef Entry* entry
        walk_from(&self.pages, &place, first)
        while True:
            entry = walk_on(&self.pages, &place)
            if entry == NULL or place.seq > upto or not most:
                break
            most -= 1
            if begin and place.seq == last + 1:
                last = place.seq
                continue
            if begin:
                render_run(ranges, begin - end, last - begin + 1)
                end = last + 1
            begin = last = place.seq
        if begin:
            render_run(ranges, begin - end, last - begin + 1)
        return bytes(ranges), 0 if entry == NULL or place.seq > upto else place.seq


cdef int render_run(bytearray out, uint64_t distance, uint64_t length) except -1:
    cdef char data[20]
    cdef int n = 0
    cdef uint64_t value
    for value in (distance, length):
        while value > 127:
            data[n] = <char> (value & 127 | 128)
            n += 1
            value >>= 7
        data[n] = <char> value
        n += 1
    out.extend(data[:n])
    return 0


def replay_run(data, size_t at, size_t stop, uint64_t segment, uint32_t salt, dict streams, uint64_t above):
    """Take the messages that follow each other from data[at] on, as `FileIndex.replay` does, up to the first record
    that is something else, lies below a place, or does not validate. Returns where that is."""
    cdef const uint8_t[::1] view = data
    cdef const char* base
    cdef const Fixed* fixed
    cdef FileIndex index = None
    cdef uint64_t place
    stop = min(stop, <size_t> view.shape[0])
    if at >= stop:
        return at
    base = <const char*> &view[0]
    while at + FIXED <= stop:
        fixed = <const Fixed*> (base + at)
        place = segment << 32 | at
        if fixed.kind != MESSAGE or place < above or not whole(base + at, stop - at, seed_of(place, salt)):
            break
        if index is None or index.number != fixed.stream:
            found = streams.get(fixed.stream)
            if found is None:
                break
            index = found
        if fixed.seq != index.last + 1:
            break
        index.know_bytes(fixed, place, True)
        if fixed.flags & PACKED:
            index.log.save(<uint32_t> segment, saved_by(fixed))
        at += fixed.length
    return at


def restore_run(data, size_t at, size_t stop, uint64_t segment, uint32_t salt, dict streams, dict wanted):
    """Take the live messages (wanted: the Runs of each stream) from data[at] on, up to a record that does not validate.
    Returns where that is. See `FileIndex.fold` for those that are out of order."""
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
        if not whole(base + at, stop - at, seed_of(segment << 32 | at, salt)):
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
                if fixed.flags & PACKED:
                    index.log.save(<uint32_t> segment, saved_by(fixed))
                if fixed.seq > index.last:
                    index.know_bytes(fixed, segment << 32 | at, False)
                elif entry_of(&index.pages, fixed.seq) != NULL:
                    index.move(fixed.seq, segment << 32 | at)
                else:
                    index.hold_back(fixed.seq, segment << 32 | at)
        at += fixed.length
    return at


def relocate_run(Log log not None, uint64_t segment, size_t at, size_t stop, dict streams):
    """Append the live messages of a segment from one offset up to another to the log again. Returns where it ended:
    before `stop` where a record does not validate."""
    cdef const char* base
    cdef const Fixed* fixed
    cdef const char* data
    cdef FileIndex index = None
    cdef Entry* entry
    cdef size_t left = 0, used
    cdef uint64_t place, to
    cdef int64_t expires_ns
    while at < stop:
        place = segment << 32 | at
        base = log.window(place, FIXED, &left)
        if base == NULL or left < FIXED:
            break
        fixed = <const Fixed*> base
        if fixed.length > left and FIXED <= fixed.length <= 2147483648:
            base = log.window(place, fixed.length, &left)
            fixed = <const Fixed*> base
        if base == NULL or not whole(base, left, seed_of(place, log.salt)):
            break
        used = fixed.length
        if fixed.kind == MESSAGE or fixed.kind == RELOCATED:
            if index is None or index.number != fixed.stream:
                index = streams.get(fixed.stream)
            entry = NULL if index is None else entry_of(&index.pages, fixed.seq)
            if entry != NULL and entry.position == place:
                data = base + FIXED + (8 if fixed.flags & WATERMARK else 0)
                expires_ns = -1
                if fixed.flags & EXPIRES:
                    memcpy(&expires_ns, data, 8)
                    data += 8
                to = log.put(RELOCATED, fixed.stream, fixed.seq, fixed.time_ns, expires_ns, data, fixed.subject,
                             data + fixed.subject, <Py_ssize_t> fixed.header if fixed.flags & RECORD_HEADED else -1,
                             data + fixed.subject + fixed.header, base + used - data - fixed.subject - fixed.header,
                             fixed.flags & PACKED)
                index.move(fixed.seq, to, saved_by(fixed))
        at += used
    return at
