#![no_main]

libfuzzer_sys::fuzz_target!(|input: fuzz::reader::Input| fuzz::reader::check(input));
