# What the scanner hands out, as natsd.protocol.ops has it (a test compares).

cdef enum:
    CONNECT = 1
    SUB = 2
    UNSUB = 3
    PING = 4
    PONG = 5
    INFO = 6
    ERR = 7
    EARLY = 8
    DENIED = 9
    DENIED_REPLY = 10
    PEDANTIC = 11
    BAD = 12

cdef enum:
    BAD_VERB = 1
    BAD_ARGS = 2
    BAD_MAX_PAYLOAD = 3
    BAD_CONTROL_LINE = 4
    BAD_HEADERS_OFF = 5

cdef enum:
    SNIPPET_BYTES = 32
