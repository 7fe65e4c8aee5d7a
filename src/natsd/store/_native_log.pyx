# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=False
"""Native form of `_plain_log`: records are made in C and written by a thread that never waits for the interpreter."""

cimport cython
import os
from errno import EMFILE, ENFILE

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from natsd.store.contract import StoreError
from natsd.store.records import SEGMENT_BYTES, render_head, salt_of

cdef extern from "<unistd.h>" nogil:
    Py_ssize_t pread(int fd, void* data, size_t n, int64_t at)
    Py_ssize_t c_read "read"(int fd, void* data, size_t n)

cdef extern from "disk.h" nogil:
    enum:
        NATSD_RECYCLE
        NATSD_OVERWRITE
        NATSD_KEEP
    natsd_disk* natsd_disk_open(int dir, uint64_t segment_bytes, int64_t sync_interval_ns, uint64_t durable,
                                uint32_t spares, int trace)
    natsd_chunk* natsd_disk_chunk(natsd_disk* d, uint32_t segment, uint32_t offset, size_t cap)
    void natsd_disk_publish(natsd_disk* d, int watched)
    void natsd_disk_watch_no_more(natsd_disk* d)
    void natsd_disk_trim(natsd_disk* d, size_t most)
    const char* natsd_disk_recent(natsd_disk* d, uint32_t segment, uint32_t offset, size_t* left)
    int natsd_disk_order(natsd_disk* d, int what, uint64_t after, uint32_t segment, uint32_t offset, const char* name,
                         const char* data, size_t n)
    void natsd_disk_wait(natsd_disk* d, uint64_t place, int64_t most_ns)
    void natsd_disk_close(natsd_disk* d)

cdef enum:
    HEAD_BYTES = 64
    CHUNK_BYTES = 1048576
    MOST_BYTES = 1 << 30
    OPEN_FILES = 64
    AHEAD_BYTES = 131072
    SPARES = 2

TOO_MANY = (EMFILE, ENFILE)
TOO_LONG = "a subject or a message is longer than the store can hold"

natsd_crc_prepare()


def crc32(data, uint32_t seed=0):
    """As zlib's."""
    cdef const uint8_t[::1] view = data
    return natsd_crc(seed, &view[0], view.shape[0]) if view.shape[0] else seed


@cython.final
cdef class Log:
    """See `_plain_log.Log`."""

    def __cinit__(self, *_, **__):
        self.dir_fd = -1

    def __init__(self, str directory, bytes uuid, uint32_t segment, *, size_t segment_bytes=SEGMENT_BYTES,
                 double sync_interval_s=0, size_t cache_bytes=32 << 20, uint32_t spares=0,
                 int trace=-1, uint64_t fault_at=0, int fault=0,
                 int64_t slow_ns=0):
        self.directory = directory
        self.uuid = uuid
        self.salt = salt_of(uuid)
        self.files = {}
        self.saved = {}
        self.failure = ""
        self.sealed = []
        self.segment = segment
        self.segment_bytes = segment_bytes
        self.cache_bytes = cache_bytes
        self.live_base = segment
        self.dir_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.durable = self.synced = <uint64_t> segment << 32
        self.disk = natsd_disk_open(self.dir_fd, segment_bytes, <int64_t> (sync_interval_s * 1e9), self.durable,
                                    spares, trace)
        if self.disk == NULL:
            raise OSError(f"{directory}: the disk thread cannot be started")
        self.seen().fault = fault
        self.seen().slow_ns = slow_ns
        self.seen().fault_at = fault_at

    def __dealloc__(self):
        if self.disk != NULL:
            with nogil:
                natsd_disk_close(self.disk)
        free(self.live)
        free(self.seen_bytes)
        if self.dir_fd >= 0:
            os.close(self.dir_fd)

    def follow(self, uint32_t segment, uint32_t end):
        """What the first segment comes after, and where that ends."""
        self.before = segment
        self.before_bytes = end

    def fileno(self):
        """Becomes readable when the disk has come further; see settle."""
        return self.seen().event

    cdef natsd_disk_seen* seen(self) except NULL:
        """What can be seen of the disk; an error once the log is closed."""
        if self.disk == NULL:
            raise ValueError("the log is closed")
        return <natsd_disk_seen*> self.disk

    @property
    def position(self):
        return <uint64_t> self.segment << 32 | self.offset

    @property
    def unwritten(self):
        """How many bytes wait for the disk."""
        return self.seen().unwritten_bytes

    @property
    def syncs(self):
        return self.seen().syncs

    @property
    def writes(self):
        return self.seen().writes

    # Writing

    cdef int begin(self, uint32_t segment, uint32_t before, uint32_t before_bytes) except -1:
        cdef bytes head = render_head(segment, self.uuid, before, before_bytes)
        self.segment = segment
        self.offset = 0
        memcpy(self.room(HEAD_BYTES), PyBytes_AS_STRING(head), HEAD_BYTES)
        self.chunk.filled += HEAD_BYTES
        self.offset = HEAD_BYTES
        return 0

    cdef char* room(self, size_t n) except NULL:
        """Where the next n bytes of the current segment go."""
        cdef size_t cap
        if self.chunk == NULL or self.chunk.segment != self.segment or self.chunk.cap - self.chunk.filled < n:
            self.seen()
            cap = min(<size_t> CHUNK_BYTES, self.segment_bytes)
            self.chunk = natsd_disk_chunk(self.disk, self.segment, <uint32_t> self.offset, max(cap, n))
            if self.chunk == NULL:
                raise MemoryError("no memory for the log")
            natsd_disk_trim(self.disk, self.cache_bytes)
        return self.chunk.data + self.chunk.filled

    cdef int roll(self, size_t n) except -1:
        """Go on in the next segment where n bytes do not fit into this one."""
        if self.offset == 0:
            self.begin(self.segment, self.before, self.before_bytes)
        if self.offset + n > self.segment_bytes and self.offset > HEAD_BYTES:
            self.sealed.append((self.segment, self.offset))
            self.before, self.before_bytes = self.segment, <uint32_t> self.offset
            self.begin(self.segment + 1, self.before, self.before_bytes)
        return 0

    cdef uint64_t put(self, int kind, uint32_t stream, uint64_t seq, int64_t time_ns, int64_t expires_ns,
                      const char* subject, size_t subject_n, const char* header, Py_ssize_t header_n,
                      const char* payload, size_t payload_n, int packed) except? 0:
        """One record. header_n -1: no header; expires_ns -1: none; packed: PACKED or 0."""
        cdef size_t n = FIXED + subject_n + payload_n
        cdef int flags = packed
        cdef char* at
        cdef char* to
        cdef Fixed* fixed
        if subject_n > 65535 or payload_n > MOST_BYTES or header_n > MOST_BYTES:
            raise ValueError(TOO_LONG)
        if header_n >= 0:
            flags |= HEADED
            n += header_n
        if expires_ns >= 0:
            flags |= EXPIRES
            n += 8
        if self.synced != self.marked:
            flags |= WATERMARK
            n += 8
        if n > MOST_BYTES:
            raise ValueError(TOO_LONG)
        if self.offset + n > self.segment_bytes or self.offset == 0:
            self.roll(n)
        at = self.room(n)
        fixed = <Fixed*> at
        fixed.length = <uint32_t> n
        fixed.kind = kind
        fixed.flags = flags
        fixed.subject = <uint16_t> subject_n
        fixed.header = <uint32_t> header_n if header_n > 0 else 0
        fixed.stream = stream
        fixed.extra = 0
        fixed.seq = seq
        fixed.time_ns = time_ns
        to = at + FIXED
        if flags & WATERMARK:
            self.marked = self.synced
            memcpy(to, &self.marked, 8)
            to += 8
        if flags & EXPIRES:
            memcpy(to, &expires_ns, 8)
            to += 8
        memcpy(to, subject, subject_n)
        to += subject_n
        if header_n > 0:
            memcpy(to, header, header_n)
            to += header_n
        memcpy(to, payload, payload_n)
        fixed.crc = natsd_crc(seed_of(<uint64_t> self.segment << 32 | self.offset, self.salt), at + 4, n - 4)
        self.chunk.filled += n
        self.offset += n
        return <uint64_t> self.segment << 32 | (self.offset - n)

    def append(self, int kind, uint32_t stream, uint64_t seq, int64_t time_ns, bytes subject not None, header,
               bytes payload not None, int64_t expires_ns=-1, bint packed=False):
        """One record, not yet given to the disk (see kick). expires_ns: -1 for none; packed: what the payload is.
        Returns its place."""
        cdef const char* head = NULL
        cdef Py_ssize_t head_n = -1
        if header is not None:
            head = PyBytes_AS_STRING(<bytes?> header)
            head_n = PyBytes_GET_SIZE(header)
        return self.put(kind, stream, seq, time_ns, expires_ns, PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject),
                        head, head_n, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), PACKED if packed else 0)

    def kick(self, *, bint watched=False):
        """Give what was appended to the disk. watched: `watch_no_more` will be called before long; until then
        `fileno()` need not tell."""
        cdef natsd_disk_seen* disk = self.seen()
        natsd_disk_publish(self.disk, watched)
        if self.offset > self.segment_bytes // 8:
            disk.spares_wanted = SPARES

    def watch_no_more(self):
        """See how far the disk has come since `kick(watched=True)`; from now on `fileno()` tells again."""
        self.seen()
        natsd_disk_watch_no_more(self.disk)
        self.see()

    def settle(self):
        """See how far the disk has come."""
        cdef uint64_t count
        c_read(self.seen().event, &count, 8)
        self.see()

    cdef int see(self) except -1:
        cdef natsd_disk_seen* disk = self.seen()
        self.synced = disk.synced
        self.durable = disk.durable
        if disk.failed and not self.failure:
            self.failure = f"{os.fsdecode(disk.failed_at)}: {os.strerror(disk.failed)}"

    def wait(self, uint64_t place=0, double most_s=60):
        """Block until the disk has come to a place (0: until nothing is left to do). For closing and for tests."""
        cdef int64_t most_ns = <int64_t> (most_s * 1e9)
        self.seen()
        natsd_disk_publish(self.disk, False)
        with nogil:
            natsd_disk_wait(self.disk, place, most_ns)
        self.settle()

    def close(self):
        """Write and sync what was appended, and let go of the files."""
        cdef natsd_disk* disk = self.disk
        if disk == NULL:
            return
        self.wait()
        self.disk = NULL
        self.chunk = NULL
        with nogil:
            natsd_disk_close(disk)
        for fd in self.files.values():
            os.close(fd)
        self.files.clear()

    # Space

    cdef int count_elsewhere(self, uint32_t segment, int64_t change) except -1:
        """A segment outside what is counted yet."""
        cdef size_t at, cap
        cdef int64_t* wider
        if segment < self.live_base:
            at = self.live_base - segment
            wider = <int64_t*> calloc(self.live_cap + at, sizeof(int64_t))
            if wider == NULL:
                raise MemoryError("no memory for the log")
            if self.live_cap:
                memcpy(wider + at, self.live, self.live_cap * sizeof(int64_t))
            free(self.live)
            self.live = wider
            self.live_cap += at
            self.live_base = segment
        at = segment - self.live_base
        if at >= self.live_cap:
            cap = at * 2 + 64
            wider = <int64_t*> realloc(self.live, cap * sizeof(int64_t))
            if wider == NULL:
                raise MemoryError("no memory for the log")
            memset(wider + self.live_cap, 0, (cap - self.live_cap) * sizeof(int64_t))
            self.live = wider
            self.live_cap = cap
        self.live[at] += change
        return 0

    def count(self, uint32_t segment, int64_t change):
        """Live bytes of a segment became more or fewer."""
        self.count_elsewhere(segment, change)

    def live_bytes(self, uint32_t segment):
        if segment < self.live_base or segment - self.live_base >= self.live_cap:
            return 0
        return self.live[segment - self.live_base]

    def save(self, uint32_t segment, int64_t saved):
        """A segment is so many bytes shorter than its messages, which count unpacked, would make it."""
        if saved:
            self.saved[segment] = self.saved.get(segment, 0) + saved

    def saved_bytes(self, uint32_t segment):
        return self.saved.get(segment, 0)

    def recycle(self, uint32_t segment, uint64_t after):
        """Nothing in a segment is needed once the log is on disk up to a place: its file may be used again."""
        fd = self.files.pop(segment, None)
        if fd is not None:
            os.close(fd)
        self.saved.pop(segment, None)
        self.seen_n = 0
        self.seen()
        if natsd_disk_order(self.disk, NATSD_RECYCLE, after, segment, 0, NULL, NULL, 0):
            raise MemoryError("no memory for the log")

    def overwrite(self, uint64_t place, bytes data not None, uint64_t after):
        """Put other bytes at a place once the log is on disk up to another one."""
        self.seen_n = 0
        self.seen()
        if natsd_disk_order(self.disk, NATSD_OVERWRITE, after, <uint32_t> (place >> 32), <uint32_t> place, NULL,
                            PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
            raise MemoryError("no memory for the log")

    def keep(self, str name, bytes data not None, uint64_t after):
        """Write a file of its own (a checkpoint) in one step, once the log is on disk up to a place."""
        cdef bytes path = os.fsencode(name)
        self.seen()
        if natsd_disk_order(self.disk, NATSD_KEEP, after, 0, 0, PyBytes_AS_STRING(path), PyBytes_AS_STRING(data),
                            PyBytes_GET_SIZE(data)):
            raise MemoryError("no memory for the log")

    # Reading

    cdef const char* recent(self, uint64_t place, size_t* left) noexcept:
        """The bytes at a place while they are in memory."""
        return natsd_disk_recent(self.disk, <uint32_t> (place >> 32), <uint32_t> place, left)

    cdef int file(self, uint32_t segment) except -1:
        fd = self.files.get(segment)
        if fd is None:
            while len(self.files) >= OPEN_FILES:
                os.close(self.files.pop(next(iter(self.files))))
            path = f"{self.directory}/{segment:08d}.seg"
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in TOO_MANY or not self.files:
                    raise
                os.close(self.files.popitem()[1])
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.files[segment] = fd
        return fd

    cdef Py_ssize_t fetch(self, uint64_t place, char* buffer, size_t n) except -1:
        """Read from a file; fewer bytes where it ends. StoreError where the system refuses: that says nothing of what
        is there."""
        cdef int fd
        cdef Py_ssize_t got
        cdef size_t have = 0
        cdef uint32_t segment = <uint32_t> (place >> 32)
        try:
            fd = self.file(segment)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StoreError(f"{self.directory}: segment {segment} cannot be read: {error.strerror}") from error
        while have < n:
            got = pread(fd, buffer + have, n - have, <int64_t> (place & 0xFFFFFFFF) + have)
            if got < 0 and errno == EINTR:
                continue
            if got < 0:
                raise StoreError(f"{self.directory}: segment {segment} cannot be read: {os.strerror(errno)}")
            if got == 0:
                break
            have += got
        return have

    cdef const char* window(self, uint64_t place, size_t n, size_t* left) except? NULL:
        """n bytes at a place of a file, fewer where it ends. They stay until the next call. Whoever reads on from where
        the last call ended is read ahead for, up to where the disk has come: what lies behind is not written yet."""
        cdef size_t wanted = n
        cdef char* wider
        cdef uint64_t ahead = 0
        if self.seen_n and place >= self.seen_at and place + n <= self.seen_at + self.seen_n:
            left[0] = self.seen_at + self.seen_n - place
            self.read_end = place + n
            return self.seen_bytes + (place - self.seen_at)
        if place + 64 >= self.read_end and place < self.read_end + 4096:  # n may be a few bytes too many
            if place >> 32 < self.durable >> 32:
                ahead = AHEAD_BYTES
            elif place < self.durable:
                ahead = min(<uint64_t> AHEAD_BYTES, self.durable - place)
            wanted = max(n, <size_t> ahead)
        if wanted > self.seen_cap:
            wider = <char*> realloc(self.seen_bytes, wanted)
            if wider == NULL:
                raise MemoryError("no memory to read with")
            self.seen_bytes = wider
            self.seen_cap = wanted
        self.seen_n = 0
        self.seen_n = self.fetch(place, self.seen_bytes, wanted)
        self.seen_at = place
        self.read_end = place + n
        left[0] = self.seen_n
        return self.seen_bytes

    def raw(self, uint64_t place):
        """The bytes of the record at a place; fewer, or none, where there are no more."""
        cdef size_t left = 0
        cdef const char* at = self.recent(place, &left)
        cdef char start[8]
        cdef uint32_t length
        cdef bytes data
        if at != NULL:
            memcpy(&length, at + 4, 4)
            return PyBytes_FromStringAndSize(at, min(left, <size_t> length))
        if self.fetch(place, start, 8) < 8:
            return b""
        memcpy(&length, start + 4, 4)
        if length > 2 * <uint32_t> MOST_BYTES:
            return b""
        data = PyBytes_FromStringAndSize(NULL, length)
        return data[:self.fetch(place, PyBytes_AS_STRING(data), length)]
