//! Fuzzes the check `looks` of `host/strangers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangers::check("looks", bytes));
