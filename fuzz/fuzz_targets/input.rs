#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stagecopy_fuzz::input(bytes));
