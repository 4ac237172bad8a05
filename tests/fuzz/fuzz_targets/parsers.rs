#![no_main]

libfuzzer_sys::fuzz_target!(|input: fuzz::parsers::Input| fuzz::parsers::check(input));
