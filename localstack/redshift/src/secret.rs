//! Random texts: the password and keys of one stack, and ids nobody can guess.

/// 32 hexadecimal digits from the system's random source: 128 bits.
pub(crate) fn random_hex() -> String {
    let words = [(); 2]
        .map(|()| getrandom::u64().expect("the operating system has a source of random numbers"));
    format!("{:016x}{:016x}", words[0], words[1])
}
