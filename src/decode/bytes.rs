//! Bytes written as text: hexadecimal and base64.
//!
//! One spelling each, so that no two texts of different length stand for the same bytes by accident:
//! no prefix, no blanks, no line breaks, no missing padding.

/// Appends the bytes of two digits each, of either case; `None` if `text` is anything else.
pub(super) fn hex(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    bytes.reserve(pairs.len());
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(())
}

/// Appends the bytes of base64 (RFC 4648 section 4) with all of its padding; `None` if `text` is
/// anything else, unused bits that are not zero included (section 3.5).
pub(super) fn base64(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (groups, []) = text.as_bytes().as_chunks::<4>() else {
        return None;
    };
    let Some((last, groups)) = groups.split_last() else {
        return Some(());
    };
    bytes.reserve(groups.len() * 3 + 3);
    for [a, b, c, d] in groups {
        three(sextet(*a)?, sextet(*b)?, sextet(*c)?, sextet(*d)?, bytes);
    }
    match *last {
        [a, b, b'=', b'='] => {
            let (a, b) = (sextet(a)?, sextet(b)?);
            bytes.push(a << 2 | b >> 4);
            (b & 0x0f == 0).then_some(())
        }
        [a, b, c, b'='] => {
            let (a, b, c) = (sextet(a)?, sextet(b)?, sextet(c)?);
            bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2]);
            (c & 0x03 == 0).then_some(())
        }
        [a, b, c, d] => {
            three(sextet(a)?, sextet(b)?, sextet(c)?, sextet(d)?, bytes);
            Some(())
        }
    }
}

fn three(a: u8, b: u8, c: u8, d: u8, bytes: &mut Vec<u8>) {
    bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The six bits of a character of the standard alphabet.
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(form: fn(&str, &mut Vec<u8>) -> Option<()>, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        form(text, &mut bytes)?;
        Some(bytes)
    }

    /// RFC 4648 section 10.
    #[test]
    fn the_rfcs_vectors_are_read() {
        for (text, base64_text, hex_text) in [
            ("", "", ""),
            ("f", "Zg==", "66"),
            ("fo", "Zm8=", "666F"),
            ("foo", "Zm9v", "666F6F"),
            ("foob", "Zm9vYg==", "666F6F62"),
            ("fooba", "Zm9vYmE=", "666F6F6261"),
            ("foobar", "Zm9vYmFy", "666F6F626172"),
        ] {
            assert_eq!(read(base64, base64_text).as_deref(), Some(text.as_bytes()));
            assert_eq!(read(hex, hex_text).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg",
            "Zg=",
            "Zh==",
            "Zm9=",
            "Zm8",
            "=",
            "====",
            "Z===",
            "Zg==Zg==",
            "Zm9v ",
            "Zm9v\n",
            "Zm9_",
            "Zm-v",
            "Zm\u{e9}",
            "Zg=v",
            "\u{e9}\u{e9}",
        ] {
            assert_eq!(read(base64, text), None, "{text}");
        }
        for text in [
            "0", "0x00", "0g", "00 ", " 0", "\\x00", "\u{e9}", "+1", "fff",
        ] {
            assert_eq!(read(hex, text), None, "{text}");
        }
    }

    proptest! {
        /// Whatever is read is spelled one way only, letter case of hexadecimal apart.
        #[test]
        fn what_is_read_is_what_was_written(text in "[A-Za-z0-9+/]{0,9}={0,2}|[0-9a-fA-F]{0,9}") {
            const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            if let Some(bytes) = read(hex, &text) {
                let written: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                prop_assert_eq!(written, text.to_ascii_lowercase());
            }
            if let Some(bytes) = read(base64, &text) {
                let mut written = String::new();
                for group in bytes.chunks(3) {
                    let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
                    for at in 0..4 {
                        let sextet = bits >> (18 - 6 * at) & 63;
                        let padding = at as usize > group.len();
                        written.push(if padding { '=' } else { char::from(ALPHABET[sextet as usize]) });
                    }
                }
                prop_assert_eq!(written, text);
            }
        }
    }
}
