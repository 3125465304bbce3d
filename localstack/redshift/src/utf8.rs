//! What of a text is no UTF-8, in the numbers of Redshift's load errors, and what ACCEPTINVCHARS makes of it.
//!
//! Pure. Source: Redshift: Multibyte character load errors.

/// The first fault of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes at fault in hex.
    pub hex: String,
    /// The number that stands after them.
    pub number: u8,
}

/// Noncharacters: valid UTF-8 that is loaded as it is, unless ACCEPTINVCHARS says what to put there.
fn is_noncharacter(letter: char) -> bool {
    let code = u32::from(letter);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// A text as it is.
///
/// # Errors
/// The first fault, if it is no UTF-8.
pub fn valid(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| fault(&bytes[error.valid_up_to()..]))
}

/// A text with every fault and noncharacter replaced, each by as many replacements as it has bytes. None if
/// there are none.
#[must_use]
pub fn replaced(bytes: &[u8], replacement: u8) -> Option<Vec<u8>> {
    let is_clean = std::str::from_utf8(bytes)
        .is_ok_and(|text| text.is_ascii() || !text.chars().any(is_noncharacter));
    if is_clean {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_noncharacter(letter) {
                out.extend(std::iter::repeat_n(replacement, letter.len_utf8()));
            } else {
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        out.extend(std::iter::repeat_n(replacement, chunk.invalid().len()));
    }
    Some(out)
}

/// Bytes in hex with blanks between them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// The fault that these bytes begin with.
fn fault(bytes: &[u8]) -> Fault {
    let (length, number) = judged(bytes);
    Fault {
        hex: hex(&bytes[..length.min(bytes.len())]),
        number,
    }
}

/// How many bytes are at fault, and the fault's number.
fn judged(bytes: &[u8]) -> (usize, u8) {
    let length = match bytes.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        // A sequence of five or six bytes.
        Some(0xf8..=0xfd) => return (1, 1),
        _ => return (1, 3),
    };
    let continued = bytes
        .iter()
        .skip(1)
        .take(length - 1)
        .take_while(|byte| (0x80..=0xbf).contains(*byte))
        .count();
    if continued < length - 1 {
        let number = if continued + 1 == bytes.len() { 2 } else { 4 };
        return (continued + 1 + usize::from(number == 4), number);
    }
    let first = u32::from(bytes[0]) & (0x7f >> length);
    let code = bytes[1..length]
        .iter()
        .fold(first, |code, byte| code << 6 | u32::from(byte & 0x3f));
    let number = match code {
        // Too long for its code point, unless it is a surrogate or beyond the last one.
        0xd800..=0xdfff if length == 3 => 5,
        0x11_0000.. => 8,
        _ => 9,
    };
    (length, number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_have_numbers() {
        let cases: [(&[u8], &str, u8); 12] = [
            (b"a\xa4", "a4", 3),
            (b"\xfe", "fe", 3),
            (b"\xff\xff", "ff", 3),
            (b"\xf8\x88\x80\x80\x80", "f8", 1),
            (b"\xfc\x84", "fc", 1),
            (b"a\xe4\xb8", "e4 b8", 2),
            (b"\xc3", "c3", 2),
            (b"\xe4\xb8b", "e4 b8 62", 4),
            (b"\xc3(", "c3 28", 4),
            (b"\xed\xa0\x80", "ed a0 80", 5),
            (b"\xf4\x90\x80\x80", "f4 90 80 80", 8),
            (b"\xc0\x80", "c0 80", 9),
        ];
        for (bytes, hex, number) in cases {
            let fault = valid(bytes).unwrap_err();
            assert_eq!(
                (fault.hex.as_str(), fault.number),
                (hex, number),
                "{bytes:?}"
            );
        }
        assert_eq!(
            valid("\u{fdd0}\u{10ffff}".as_bytes()),
            Ok("\u{fdd0}\u{10ffff}")
        );
    }

    #[test]
    fn replacements_are_as_long_as_what_they_stand_for() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            ("äöü".as_bytes(), None),
            (b"a\xe4\xb8b\xff", Some(b"a??b?")),
            (b"\xed\xa0\x80", Some(b"???")),
            ("a\u{fffe}b".as_bytes(), Some(b"a???b")),
            ("\u{fdef}\u{1ffff}".as_bytes(), Some(b"???????")),
            ("\u{fdcf}\u{fdf0}\u{fffd}".as_bytes(), None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(replaced(bytes, b'?').as_deref(), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_wrong_is_named_and_what_is_replaced_is_right(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(valid(&bytes).is_ok(), std::str::from_utf8(&bytes).is_ok());
            if let Some(text) = replaced(&bytes, b'?') {
                prop_assert_eq!(text.len(), bytes.len());
                prop_assert!(valid(&text).is_ok());
                prop_assert_eq!(replaced(&text, b'?'), None);
            }
        }
    }
}
