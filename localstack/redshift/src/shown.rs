//! How values look on the wire where Redshift and PostgreSQL differ: VARBYTE is hexadecimal text without a prefix.
//!
//! Keeps track of which columns are meant, statement by statement. Values in binary format are left alone.
//! Redshift: VARBYTE type (output as hexadecimal digits); AWS's drivers decode such text.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::{self, Frame};

const VARBYTE: u32 = 6551;
const TEXT: i16 = 0;

/// The columns of type VARBYTE in the answers of a session.
#[derive(Debug, Default)]
pub struct Shown {
    /// Of prepared statements, as far as they were described.
    statements: HashMap<Bytes, Vec<usize>>,
    /// Of portals, those in text format.
    portals: HashMap<Bytes, Vec<usize>>,
    /// Of the rows that come.
    current: Vec<usize>,
    /// What the next description is of: `S` or `P`, and the name.
    described: Option<(u8, Bytes)>,
}

impl Shown {
    /// Takes note of a client's message before PostgreSQL has it.
    pub fn sent(&mut self, frame: &Frame) {
        let mut body = frame.body.clone();
        match frame.tag {
            b'Q' => self.described = None,
            b'P' => {
                if let Some(name) = wire::take_text(&mut body) {
                    self.statements.remove(&name);
                }
            }
            b'D' if !body.is_empty() => {
                let what = body.get_u8();
                self.described = wire::take_text(&mut body).map(|name| (what, name));
            }
            b'B' => self.bound(body),
            b'E' => {
                let portal = wire::take_text(&mut body).unwrap_or_default();
                self.current = self.portals.get(&portal).cloned().unwrap_or_default();
            }
            _ => {}
        }
    }

    fn bound(&mut self, mut body: Bytes) {
        let Some(portal) = wire::take_text(&mut body) else {
            return;
        };
        self.portals.remove(&portal);
        let columns = wire::take_text(&mut body).and_then(|name| self.statements.get(&name));
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            return;
        };
        if let Some(formats) = result_formats(&mut body) {
            let is_text = |column: &&usize| {
                let format = match formats.as_slice() {
                    [all] => Some(all),
                    formats => formats.get(**column),
                };
                format.is_none_or(|&format| format == TEXT)
            };
            let columns = columns.iter().filter(is_text).copied().collect();
            self.portals.insert(portal, columns);
        }
    }

    /// Takes note of an answer of PostgreSQL's; gives what the client sees in its place, if anything.
    pub fn received(&mut self, frame: &Frame) -> Option<Bytes> {
        match frame.tag {
            b'T' => {
                let columns = varbyte_columns(&frame.body);
                match self.described.take() {
                    Some((b'S', name)) => {
                        self.statements.insert(name, columns);
                    }
                    Some((_, name)) => {
                        self.portals.insert(name, columns);
                    }
                    None => self.current = columns,
                }
                None
            }
            b'n' => {
                self.described = None;
                None
            }
            b'D' if !self.current.is_empty() => without_prefix(&frame.body, &self.current),
            _ => None,
        }
    }
}

/// The format codes of results in what follows the names in a Bind message.
fn result_formats(body: &mut Bytes) -> Option<Vec<i16>> {
    let codes = |body: &mut Bytes| -> Option<Vec<i16>> {
        let count = body.try_get_u16().ok()?;
        (0..count).map(|_| body.try_get_i16().ok()).collect()
    };
    codes(body)?;
    for _ in 0..body.try_get_u16().ok()? {
        if let Ok(length) = usize::try_from(body.try_get_i32().ok()?) {
            if length > body.len() {
                return None;
            }
            body.advance(length);
        }
    }
    codes(body)
}

/// The columns of a RowDescription that are VARBYTE as text.
fn varbyte_columns(body: &Bytes) -> Vec<usize> {
    let mut body = body.clone();
    let mut columns = Vec::new();
    for column in 0..usize::from(body.try_get_u16().unwrap_or(0)) {
        if wire::take_text(&mut body).is_none() || body.len() < 18 {
            break;
        }
        body.advance(6);
        let kind = body.get_u32();
        body.advance(6);
        if body.get_i16() == TEXT && kind == VARBYTE {
            columns.push(column);
        }
    }
    columns
}

/// A DataRow in which the values of these columns have lost their `\x`.
fn without_prefix(body: &Bytes, columns: &[usize]) -> Option<Bytes> {
    let mut rest = body.clone();
    let mut row = BytesMut::with_capacity(body.len());
    let count = rest.try_get_u16().ok()?;
    row.put_u16(count);
    for column in 0..usize::from(count) {
        let length = rest.try_get_i32().ok()?;
        let Ok(size) = usize::try_from(length) else {
            row.put_i32(length);
            continue;
        };
        if size > rest.len() {
            return None;
        }
        let value = rest.split_to(size);
        let value = match value.strip_prefix(b"\\x") {
            Some(digits) if columns.contains(&column) => digits,
            _ => &value[..],
        };
        row.put_u32(u32::try_from(value.len()).ok()?);
        row.extend_from_slice(value);
    }
    Some(row.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(columns: &[(u32, i16)]) -> Frame {
        let mut body = BytesMut::new();
        body.put_u16(columns.len().try_into().unwrap());
        for (kind, format) in columns {
            wire::put_text(&mut body, "c");
            body.put_slice(&[0; 6]);
            body.put_u32(*kind);
            body.put_slice(&[0; 6]);
            body.put_i16(*format);
        }
        Frame {
            tag: b'T',
            body: body.freeze(),
        }
    }

    fn row(values: &[Option<&str>]) -> Frame {
        let mut body = BytesMut::new();
        body.put_u16(values.len().try_into().unwrap());
        for value in values {
            match value {
                None => body.put_i32(-1),
                Some(value) => {
                    body.put_i32(value.len().try_into().unwrap());
                    body.put_slice(value.as_bytes());
                }
            }
        }
        Frame {
            tag: b'D',
            body: body.freeze(),
        }
    }

    fn frame(tag: u8, body: &[u8]) -> Frame {
        Frame {
            tag,
            body: Bytes::copy_from_slice(body),
        }
    }

    #[test]
    fn rows_of_a_simple_query() {
        let mut shown = Shown::default();
        shown.sent(&frame(b'Q', b"select\0"));
        shown.received(&description(&[(25, 0), (6551, 0), (6551, 1)]));
        let given = row(&[Some("\\x61"), Some("\\x61"), Some("\\x61")]);
        let expected = row(&[Some("\\x61"), Some("61"), Some("\\x61")]);
        assert_eq!(shown.received(&given), Some(expected.body));
        let nothing = row(&[None, None, Some("")]);
        assert_eq!(shown.received(&nothing), Some(nothing.body.clone()));
        shown.received(&description(&[(25, 0)]));
        assert_eq!(shown.received(&row(&[Some("\\x61")])), None);
    }

    #[test]
    fn rows_of_a_statement_in_the_format_that_was_asked_for() {
        // No parameters; all results in this format.
        let bind = |format: u8| [b"p\0s\0".as_slice(), &[0, 0, 0, 0, 0, 1, 0, format]].concat();
        for (format, expected) in [(0, Some(row(&[Some("61")]).body)), (1, None)] {
            let mut shown = Shown::default();
            shown.sent(&frame(b'D', b"Ss\0"));
            shown.received(&description(&[(6551, 0)]));
            shown.sent(&frame(b'B', &bind(format)));
            shown.sent(&frame(b'E', b"p\0\0\0\0\0"));
            assert_eq!(shown.received(&row(&[Some("\\x61")])), expected, "{format}");
        }
    }

    #[test]
    fn rows_of_a_described_portal() {
        let mut shown = Shown::default();
        shown.sent(&frame(b'D', b"P\0"));
        shown.received(&description(&[(6551, 0)]));
        shown.sent(&frame(b'E', b"\0\0\0\0\0"));
        let expected = row(&[Some("61")]).body;
        assert_eq!(shown.received(&row(&[Some("\\x61")])), Some(expected));
        shown.sent(&frame(b'P', b"\0select\0\0\0"));
        shown.sent(&frame(b'B', b"\0\0\0\0\0\0\0\0"));
        shown.sent(&frame(b'E', b"\0\0\0\0\0"));
        assert_eq!(shown.received(&row(&[Some("\\x61")])), None);
    }

    #[test]
    fn broken_messages_change_nothing() {
        let mut shown = Shown::default();
        shown.sent(&frame(b'B', b"p\0s\0\0\x09"));
        shown.sent(&frame(b'D', b""));
        shown.received(&frame(b'T', &[0, 9, b'c', 0]));
        shown.received(&description(&[(6551, 0)]));
        assert_eq!(shown.received(&frame(b'D', &[0, 1, 0, 0, 0, 9])), None);
    }
}
