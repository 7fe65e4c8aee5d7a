# The log of a store directory, for the index of a stream that is kept in it.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef packed struct Fixed:  # the first 40 bytes of a record, see `records`; records lie anywhere
    uint32_t crc
    uint32_t length
    uint8_t kind
    uint8_t flags
    uint16_t subject
    uint32_t header
    uint32_t stream
    uint32_t extra
    uint64_t seq
    int64_t time_ns

cdef enum:
    FIXED = 40
    MESSAGE = 1
    RELOCATED = 11
    WATERMARK = 1
    HEADED = 2
    EXPIRES = 4
    PACKED = 8
    SPREAD = 0x9E3779B1

cdef inline uint32_t seed_of(uint64_t place, uint32_t salt) noexcept:
    """As `records.seed_of`."""
    return <uint32_t> (place >> 32) * SPREAD ^ <uint32_t> place ^ salt

cdef extern from "checksum.h" nogil:
    void natsd_crc_prepare()
    uint32_t natsd_crc(uint32_t seed, const void* data, size_t n)
    uint32_t natsd_crc_shift(uint32_t c, uint64_t n)

cdef extern from "disk.h" nogil:
    ctypedef struct natsd_chunk:
        uint32_t segment
        uint32_t offset
        size_t cap
        size_t filled
        char* data
    ctypedef struct natsd_disk:
        pass
    ctypedef struct natsd_disk_seen "natsd_disk":
        int event
        int failed
        char* failed_at
        uint64_t durable
        uint64_t synced
        uint64_t unwritten_bytes
        uint64_t syncs
        uint64_t writes
        uint32_t spares_wanted
        uint64_t fault_at
        int64_t slow_ns
        int fault

cdef class Log:
    cdef natsd_disk* disk
    cdef natsd_chunk* chunk
    cdef readonly object directory
    cdef readonly bytes uuid
    cdef readonly uint32_t salt
    cdef int dir_fd
    cdef dict files
    cdef readonly uint32_t segment
    cdef size_t offset
    cdef uint32_t before, before_bytes
    cdef size_t segment_bytes, cache_bytes
    cdef uint64_t marked  # the last watermark that was written
    cdef readonly uint64_t durable, synced
    cdef readonly str failure
    cdef readonly list sealed
    cdef int64_t* live
    cdef size_t live_cap
    cdef uint32_t live_base
    cdef dict saved
    cdef char* seen_bytes  # what was read last, in one piece
    cdef uint64_t seen_at
    cdef size_t seen_n, seen_cap
    cdef uint64_t read_end

    cdef int begin(self, uint32_t segment, uint32_t before, uint32_t before_bytes) except -1
    cdef char* room(self, size_t n) except NULL
    cdef int roll(self, size_t n) except -1
    cdef int count_elsewhere(self, uint32_t segment, int64_t change) except -1
    cdef uint64_t put(self, int kind, uint32_t stream, uint64_t seq, int64_t time_ns, int64_t expires_ns,
                      const char* subject, size_t subject_n, const char* header, Py_ssize_t header_n,
                      const char* payload, size_t payload_n, int packed) except? 0
    cdef const char* recent(self, uint64_t place, size_t* left) noexcept
    cdef Py_ssize_t fetch(self, uint64_t place, char* buffer, size_t n) except -1
    cdef const char* window(self, uint64_t place, size_t n, size_t* left) except? NULL
    cdef int file(self, uint32_t segment) except -1
    cdef natsd_disk_seen* seen(self) except NULL
    cdef int see(self) except -1


cdef inline int count_live(Log log, uint32_t segment, int64_t change) except -1:
    if segment >= log.live_base and segment - log.live_base < log.live_cap:
        log.live[segment - log.live_base] += change
        return 0
    return log.count_elsewhere(segment, change)
