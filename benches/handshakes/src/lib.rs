//! What TLS handshakes that never end cost waterwheel: all of it is in `tests`.
