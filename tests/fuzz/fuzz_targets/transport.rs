#![no_main]

libfuzzer_sys::fuzz_target!(|input: fuzz::transport::Input| fuzz::transport::check(input));
