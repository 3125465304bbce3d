//! Rows that go from the target and rows that come, and the parts they come in.

use crate::database::Row;
use crate::decisions::Displaced;
use crate::setting::{Command, Mode, OrderBy, Setting};
use crate::words::{Content, Contents, Literal};

/// The parts that hold these contents: one for all, or one for each.
pub fn parts(contents: Contents, may_span: bool) -> Vec<Contents> {
    let single = |content| Contents::from_iter([content]);
    match may_span {
        true if contents.is_empty() => Vec::new(),
        true => vec![contents],
        false => contents.iter().map(single).collect(),
    }
}

/// Which of the rows that are there go, and which of the copied ones come.
pub fn exchange(
    setting: &Setting,
    command: Command,
    displaced: &Displaced,
    there: &[Row],
    copied: Vec<Row>,
) -> (Vec<Row>, Vec<Row>) {
    let there = there.iter().copied();
    let deleted = match displaced {
        Displaced::Everything => there.collect(),
        Displaced::Where(literal) => {
            let has = |row: &Row| Literal::of(row.content.source) == *literal;
            there.filter(has).collect()
        }
        Displaced::Sources(entries) => {
            let of_source = |row: &Row| entries.iter().any(|entry| entry.content == row.content);
            there.filter(of_source).collect()
        }
        Displaced::Nothing | Displaced::Entries(_) | Displaced::Void => match command.mode {
            Mode::Upsert(order_by) => return upsert(setting, order_by, there, copied),
            _ => Vec::new(),
        },
    };
    (deleted, copied)
}

/// Of the rows of one key the last by name stands; with a column to order by the greatest, the table's among them.
fn upsert(
    setting: &Setting,
    order_by: OrderBy,
    there: impl Iterator<Item = Row>,
    copied: Vec<Row>,
) -> (Vec<Row>, Vec<Row>) {
    let key = |row: &Row| setting.key(row.content.source);
    let rank = |row: &Row| match order_by {
        OrderBy::Nothing => (0, row.content.source),
        OrderBy::Column => (order(row.content), row.content.source),
    };
    let mut inserted: Vec<Row> = Vec::new();
    for row in copied {
        match inserted.iter_mut().find(|other| key(other) == key(&row)) {
            Some(other) if rank(other) <= rank(&row) => *other = row,
            Some(_) => {}
            None => inserted.push(row),
        }
    }
    let mut deleted = Vec::new();
    for row in there {
        let Some(index) = inserted.iter().position(|other| key(other) == key(&row)) else {
            continue;
        };
        match order_by == OrderBy::Column && order(row.content) > order(inserted[index].content) {
            true => drop(inserted.remove(index)),
            false => deleted.push(row),
        }
    }
    (deleted, inserted)
}

/// Value of the column that rows are ordered by.
pub fn order(content: Content) -> u8 {
    content.digest as u8
}
