#![no_main]

libfuzzer_sys::fuzz_target!(|input: fuzz::tls::Input| fuzz::tls::check(input));
