//! Where records end: a scan that knows strings, escapes and depth, and nothing else of JSON. It
//! can be stopped and taken up at any byte.

use std::fmt;

use memchr::{memchr, memchr2, memrchr};

use super::Framing;

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Whether a source has more bytes than were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    More,
    Ended,
}

/// A place between two records: the one before it ends at `end`, the one behind it begins at `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) end: usize,
    pub(super) next: usize,
}

/// What is wrong in an array of records between its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFault {
    /// `[,`
    LeadingComma,
    /// `,,`
    DoubleComma,
    /// `,]`
    TrailingComma,
    /// The input ends before `]`
    NotClosed,
    /// Something but white space after `]`
    AfterEnd,
    /// The input does not begin with `[`
    NotArray,
}

impl fmt::Display for ArrayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeadingComma => "a comma before the array's first element",
            Self::DoubleComma => "two commas without an element between",
            Self::TrailingComma => "a comma after the array's last element",
            Self::NotClosed => "the input ends inside the array",
            Self::AfterEnd => "something follows the array",
            Self::NotArray => "the input is not an array",
        })
    }
}

/// A fault and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) kind: ArrayFault,
}

/// Whether there is nothing but JSON's white space (RFC 8259 section 2).
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_white(*byte))
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Bytes before the first that is neither white nor of a byte order mark.
fn lead(bytes: &[u8]) -> usize {
    let mark = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let white = bytes[mark..].iter().take_while(|byte| is_white(**byte));
    mark + white.count()
}

/// Guesses how records stand in a source from its first bytes, the more the better.
///
/// A wrong guess of `Lines` shows when a cut goes through a record; one of `Values` would join what a
/// broken line should have kept apart. So it is `Values` only where `Lines` cannot be right.
pub fn sniff_framing(first_bytes: &[u8]) -> Framing {
    sniff(first_bytes).unwrap_or_else(|| undecided(first_bytes, Supply::Ended))
}

/// What is assumed where no more bytes are looked at and none of them tells.
pub(super) fn undecided(window: &[u8], supply: Supply) -> Framing {
    match supply {
        // one line, whole or cut off
        Supply::Ended => Framing::Lines,
        Supply::More if is_blank(window) => Framing::Lines,
        // a very long first record; whether its line ends behind it is unknown
        Supply::More => Framing::Values,
    }
}

/// How records stand, or `None` if more bytes are needed.
pub(super) fn sniff(window: &[u8]) -> Option<Framing> {
    if BOM.starts_with(window) {
        return None;
    }
    let text = &window[lead(window)..];
    match text.first()? {
        b'[' => return Some(Framing::Array),
        b'{' => {}
        // no record; the next line may be one
        _ => return Some(Framing::Lines),
    }
    let line = memchr(b'\n', text).map(|end| &text[..end]);
    let mut scan = Scan::default();
    let value = scan.skip(line.unwrap_or(text));
    if scan.is_open() {
        return match (line, scan.inside) {
            (None, _) => None,
            (Some(_), Inside::Structure) => Some(Framing::Values),
            // no string holds a raw newline: the line is broken, and the next may be sound
            (Some(_), Inside::Text | Inside::Escape) => Some(Framing::Lines),
        };
    }
    let rest = &line.unwrap_or(text)[value..];
    match rest.iter().find(|byte| !is_white(**byte)) {
        Some(b'{') => Some(Framing::Values),
        Some(_) => Some(Framing::Lines),
        None => line.map(|_| Framing::Lines),
    }
}

/// The first byte behind an array's `[`, or where something else stands (or nothing yet).
pub(super) fn array_start(bytes: &[u8]) -> Result<usize, usize> {
    let lead = lead(bytes);
    match bytes.get(lead) {
        Some(b'[') => Ok(lead + 1),
        _ => Err(lead),
    }
}

/// Finds cuts in a source's bytes; `scanned` of them were looked at.
#[derive(Debug)]
pub(super) struct Cutter {
    scanned: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Lines,
    Values(Scan),
    Array(Scan, Between),
}

/// Where a scan stands among an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// Behind `[`
    First,
    /// In an element or behind it
    Element,
    /// Behind a comma
    Comma,
    /// Behind `]`
    End,
}

impl Cutter {
    pub(super) fn new(framing: Framing) -> Self {
        let kind = match framing {
            Framing::Lines => Kind::Lines,
            Framing::Values => Kind::Values(Scan::default()),
            Framing::Array => Kind::Array(Scan::default(), Between::First),
        };
        Self { scanned: 0, kind }
    }

    /// The bytes before `count` are gone.
    pub(super) fn pass(&mut self, count: usize) {
        self.scanned = self.scanned.saturating_sub(count);
    }

    /// The last cut in `bytes`, all of which are then looked at.
    pub(super) fn last_cut(&mut self, bytes: &[u8]) -> Result<Option<Cut>, Fault> {
        if let Kind::Lines = self.kind {
            let newline = memrchr(b'\n', &bytes[self.scanned..]).map(|at| self.scanned + at + 1);
            self.scanned = bytes.len();
            return Ok(newline.map(|end| Cut { end, next: end }));
        }
        let mut last = None;
        while let Some(cut) = self.first_cut(bytes)? {
            last = Some(cut);
        }
        Ok(last)
    }

    /// The first cut in what was not looked at yet.
    pub(super) fn first_cut(&mut self, bytes: &[u8]) -> Result<Option<Cut>, Fault> {
        let from = self.scanned;
        let unseen = &bytes[from..];
        let cut = match &mut self.kind {
            Kind::Lines => memchr(b'\n', unseen).map(|at| Cut {
                end: at + 1,
                next: at + 1,
            }),
            Kind::Values(scan) => value_end(scan, unseen).map(|at| Cut { end: at, next: at }),
            Kind::Array(scan, between) => {
                element_end(scan, between, unseen).map_err(|fault| Fault {
                    at: from + fault.at,
                    ..fault
                })?
            }
        };
        self.scanned = cut.map_or(bytes.len(), |cut| from + cut.next);
        Ok(cut.map(|cut| Cut {
            end: from + cut.end,
            next: from + cut.next,
        }))
    }

    /// Looks at the last `bytes` of the source; gives where its last piece ends.
    pub(super) fn finish(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        if let Kind::Lines | Kind::Values(_) = self.kind {
            return Ok(bytes.len());
        }
        let end = self.last_cut(bytes)?.map_or(0, |cut| cut.end);
        match self.kind {
            Kind::Array(_, Between::End) => Ok(end),
            _ => Err(Fault {
                at: bytes.len(),
                kind: ArrayFault::NotClosed,
            }),
        }
    }
}

/// Behind a value's last byte, or behind white space between values.
fn value_end(scan: &mut Scan, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        if scan.is_open() {
            at += scan.skip(&bytes[at..]);
            return (!scan.is_open()).then_some(at);
        }
        let byte = *bytes.get(at)?;
        match byte {
            b'{' | b'[' | b'"' => {}
            // a bracket that closes nothing stands alone
            b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' => return Some(at + 1),
            _ => {
                at += 1;
                continue;
            }
        }
        scan.open(byte);
        at += 1;
    }
}

/// At the comma behind an element, or at the array's end.
fn element_end(scan: &mut Scan, between: &mut Between, bytes: &[u8]) -> Result<Option<Cut>, Fault> {
    let mut at = 0;
    loop {
        if scan.is_open() {
            at += scan.skip(&bytes[at..]);
        }
        let Some(byte) = bytes.get(at).copied() else {
            return Ok(None);
        };
        let cut = Some(Cut {
            end: at,
            next: at + 1,
        });
        let fault = |kind| Err(Fault { at, kind });
        match (*between, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (Between::End, _) => return fault(ArrayFault::AfterEnd),
            (Between::First, b',') => return fault(ArrayFault::LeadingComma),
            (Between::Comma, b',') => return fault(ArrayFault::DoubleComma),
            (Between::Comma, b']') => return fault(ArrayFault::TrailingComma),
            (Between::Element, b',') => {
                *between = Between::Comma;
                return Ok(cut);
            }
            (Between::First | Between::Element, b']') => {
                *between = Between::End;
                return Ok(cut);
            }
            (_, other) => {
                *between = Between::Element;
                scan.open(other);
            }
        }
        at += 1;
    }
}

/// Where a scan stands in a value.
#[derive(Debug, Default)]
struct Scan {
    /// Open brackets
    depth: u64,
    inside: Inside,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Structure,
    Text,
    /// In text, behind a backslash
    Escape,
}

impl Scan {
    /// Inside a bracket or a string.
    fn is_open(&self) -> bool {
        self.depth > 0 || self.inside != Inside::Structure
    }

    /// Goes behind a byte outside of all brackets and strings.
    fn open(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => self.depth = 1,
            b'"' => self.inside = Inside::Text,
            _ => {}
        }
    }

    /// Goes on until what is open is closed, or to the end of `bytes`; gives the bytes it went. From
    /// outside it begins with the first bracket or string.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.inside {
                Inside::Escape => {
                    at += 1;
                    self.inside = Inside::Text;
                }
                Inside::Text => match memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return bytes.len(),
                    Some(ahead) => {
                        at += ahead + 1;
                        if bytes[at - 1] == b'\\' {
                            self.inside = Inside::Escape;
                        } else {
                            self.inside = Inside::Structure;
                            if self.depth == 0 {
                                return at;
                            }
                        }
                    }
                },
                Inside::Structure => match structural(&bytes[at..]) {
                    None => return bytes.len(),
                    Some(ahead) => {
                        at += ahead + 1;
                        match bytes[at - 1] {
                            b'"' => self.inside = Inside::Text,
                            b'{' | b'[' => self.depth += 1,
                            // which bracket closes which is for `decode` to say
                            _ => self.depth = self.depth.saturating_sub(1),
                        }
                        if !self.is_open() {
                            return at;
                        }
                    }
                },
            }
        }
        at
    }
}

/// The first quote or bracket, eight bytes at a time.
fn structural(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTE: u64 = u64::from_ne_bytes([b'"'; 8]);
    const OPEN: u64 = u64::from_ne_bytes([b'{'; 8]);
    const CLOSE: u64 = u64::from_ne_bytes([b'}'; 8]);
    // `[` and `]` are `{` and `}` without this bit
    const FOLD: u64 = u64::from_ne_bytes([0x20; 8]);
    // marks the zero bytes; a wrong mark stands only above a right one
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;

    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let folded = word | FOLD;
        let marks = zeros(word ^ QUOTE) | zeros(folded ^ OPEN) | zeros(folded ^ CLOSE);
        if marks != 0 {
            return Some(index * 8 + (marks.trailing_zeros() / 8) as usize);
        }
    }
    let tail = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
    tail.map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn framing_is_guessed_from_the_first_record() {
        for (text, expected) in [
            ("", Framing::Lines),
            (" \r\n\t", Framing::Lines),
            ("{}", Framing::Lines),
            ("{}\n", Framing::Lines),
            ("{}\n{}", Framing::Lines),
            ("{\"a\":1}\r\n{\"a\":2}\r\n", Framing::Lines),
            ("\u{feff}{\"a\":[{}]}  \n\n  {", Framing::Lines),
            ("{\"a\":\"}\\\"\"}\n", Framing::Lines),
            ("{}{}", Framing::Values),
            ("{} {}\n{} {}", Framing::Values),
            ("{\n}", Framing::Values),
            ("{\"a\":\n1}", Framing::Values),
            ("\u{feff}\n\n{\n\"a\":1}", Framing::Values),
            (" [", Framing::Array),
            ("\u{feff}\r\n[{}]", Framing::Array),
            // broken first lines must not take the others with them
            ("{\"a\":\"b\n{\"a\":\"b\"}\n", Framing::Lines),
            ("3,\"b\":1}\n{\"a\":1}\n", Framing::Lines),
            ("{\"a\":1},\n{\"a\":2},\n", Framing::Lines),
            ("\"text\"\n{}", Framing::Lines),
            ("{\"a\":1", Framing::Lines),
        ] {
            assert_eq!(sniff_framing(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn more_bytes_never_change_a_decision() {
        for text in [
            "{}\n{}",
            "{}{}",
            "{}  {",
            "{\n}",
            "\u{feff} [{}]",
            "{\"\n\":1}",
            "{\"\\\"\n",
            "x",
        ] {
            let mut decided = None;
            for length in 0..=text.len() {
                let framing = sniff(&text.as_bytes()[..length]);
                assert!(
                    decided.is_none() || decided == framing,
                    "{text:?} at {length}"
                );
                decided = framing;
            }
            assert!(decided.is_some(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn structural_bytes_are_found_as_one_by_one(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'{'), Just(b']'), Just(b'"'), Just(b'\x02'), Just(b'z'), Just(b'|')], 0..40)) {
            let slow = bytes.iter().position(|byte| b"\"{}[]".contains(byte));
            prop_assert_eq!(structural(&bytes), slow);
        }
    }
}
