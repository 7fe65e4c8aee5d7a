"""One connection's state and rights. Sockets are in net/, and the fast path of messages is in kernel/."""
