# What the scanner sees of an account's subscriptions: delivery to those that match.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from natsd.kernel._native_interest cimport Subscription
from natsd.kernel._native_matches cimport Match, Matches
from natsd.kernel._native_road cimport Outbound
from natsd.kernel._native_shadow cimport Shadow

cdef struct Message:  # one published message, all of it in memory
    const char* reply  # NULL for none
    size_t reply_size
    const char* payload  # header and body in one piece with CRLF behind
    size_t header_size
    size_t size  # of both
    const char* sizes  # the size words of its line, as they were sent
    size_t sizes_size
    bint stays  # the payload stays where it is until the next flush
    bint brought  # from another account: no stream takes it to a third

cdef struct Parts:  # one message of the server's own, in pieces
    const char* subject
    size_t subject_size
    const char* reply  # NULL for none
    size_t reply_size
    const char* header
    size_t header_size
    const char* payload
    size_t size  # of the payload alone

cdef class Sublist(Matches):
    cdef int deliver(self, Match* match, Message* message, Outbound skip) except -1
    cdef int deliver_alike(self, Match* match, Message* message, Outbound skip) except -1
    cdef int given(self, Subscription sub, Outbound outbound, size_t frame, size_t size) except -1
    cdef int finish(self, Subscription sub, Outbound outbound) except -1
    cdef int give(self, Subscription sub, Match* match, Message* message, Outbound skip) except -1
    cdef int give_shadow(self, Shadow shadow, Match* match, Message* message, Outbound skip) except -1
    cdef int carry(self, Subscription sub, Match* match, Message* message) except -1
    cdef int send(self, Match* match, bytes reply, bytes header, bytes payload, Outbound skip, bint brought) except -1
    cdef int deliver_parts(self, Match* match, Parts* parts) except -1
    cdef int give_parts(self, Subscription sub, Match* match, Parts* parts) except -1
    cdef int give_parts_local(self, Subscription sub, Match* match, Parts* parts) except -1
    cdef int put_local(self, Subscription sub, tuple message) except -1
    cdef int give_local(self, Subscription sub, Match* match, Message* message, Outbound skip) except -1
