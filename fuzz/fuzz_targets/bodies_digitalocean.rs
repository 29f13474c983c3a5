#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| windlass_hostile::bodies::check_digitalocean(input));
