"""The server as a whole: options, wiring, start, lame duck and stop."""
