//! Counts what TLS handshakes that never end cost waterwheel. All the code is in `tests`.
