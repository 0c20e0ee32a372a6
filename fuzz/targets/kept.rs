//! Fuzzes the check `kept` of `host/strangers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangers::check("kept", bytes));
