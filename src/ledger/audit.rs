//! Whether ledger, mutex and table say the same.
//!
//! Pure: what they say comes in as numbers. A difference is not explained here: it may be somebody else's doing.

use std::collections::HashMap;

/// How the rows that carry a source's id compare with its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// They are as many
    Exact,
    /// They are no more: an upsert takes rows of a key whoever brought them, and a limited replace those that satisfy its
    /// condition
    AtMost,
}

impl Proof {
    /// Whether `got` rows are what `expected` may come to.
    pub fn holds(self, expected: u64, got: u64) -> bool {
        match self {
            Self::Exact => got == expected,
            Self::AtMost => got <= expected,
        }
    }
}

/// A load as the ledger has it, with its sources added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// Its number
    pub number: i64,
    /// Its random id
    pub id: String,
    /// As [`super::Mode::name`] says, or `adopt`, `reload`, `forget`
    pub mode: String,
    /// Rows it brought
    pub records: u64,
    /// Records it rejected
    pub rejected: u64,
    /// Records whose key another one of the load has
    pub superseded: u64,
    /// What its sources say together
    pub sources: Sums,
}

/// Numbers of a load's sources, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many
    pub count: u64,
    /// Rows staged
    pub records: u64,
    /// Records rejected
    pub rejected: u64,
}

/// What was compared, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `loads`, `sources`, `rows`, `lineage`, `parts`
    pub name: &'static str,
    /// The outcome
    pub verdict: Verdict,
    /// In words
    pub text: String,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Both sides say the same
    Agrees,
    /// They do not
    Differs,
    /// There was nothing to compare
    Unchecked,
}

impl Check {
    /// A check whose sides say the same, unless there is something to say against it.
    pub fn of(name: &'static str, against: Vec<String>, text: String) -> Self {
        match against.is_empty() {
            true => Self {
                name,
                verdict: Verdict::Agrees,
                text,
            },
            false => Self {
                name,
                verdict: Verdict::Differs,
                text: listed(&against),
            },
        }
    }

    /// A check that could not be made.
    pub fn unmade(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Unchecked,
            text: text.into(),
        }
    }
}

/// The most differences that are named.
const NAMED: usize = 5;

fn listed(texts: &[String]) -> String {
    let mut named: Vec<&str> = texts.iter().take(NAMED).map(String::as_str).collect();
    let more = texts.len().saturating_sub(NAMED);
    let rest = format!("and {more} more");
    if more > 0 {
        named.push(&rest);
    }
    named.join("; ")
}

/// The mutex as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutexSeen {
    /// It holds this number
    Number(i64),
    /// It is not one row
    Damaged,
    /// A load held it, or moved it on
    Busy,
}

/// Whether loads are numbered from 1 without a gap, each once, and the mutex holds the last number. `loads` are in the
/// order of their numbers.
pub fn check_loads(loads: &[Booked], mutex: MutexSeen) -> Check {
    let mut against = Vec::new();
    for (expected, load) in (1..).zip(loads) {
        if load.number != expected {
            against.push(format!(
                "where load {expected} should be stands load {}",
                load.number
            ));
            break;
        }
    }
    let mut ids: HashMap<&str, i64> = HashMap::new();
    for load in loads {
        if let Some(first) = ids.insert(&load.id, load.number) {
            against.push(format!("loads {first} and {} have one id", load.number));
        }
    }
    let last = loads.last().map_or(0, |load| load.number);
    let mut text = format!("{}, numbered without a gap", loads.len());
    match mutex {
        MutexSeen::Number(number) if number == last => {}
        MutexSeen::Number(number) => {
            against.push(format!("the mutex says {number} after load {last}"));
        }
        MutexSeen::Damaged => against.push("the mutex is not one row".to_owned()),
        MutexSeen::Busy => text.push_str("; the mutex is in use"),
    }
    Check::of("loads", against, text)
}

/// Whether the sources of each load come to what the load says, and none is there twice. `doubled` are names of sources
/// that current entries hold twice with the same content.
pub fn check_sources(loads: &[Booked], doubled: &[String]) -> Check {
    let mut against: Vec<String> = loads
        .iter()
        .filter(|load| {
            let sums = load.sources;
            let says = (load.records + load.superseded, load.rejected);
            sums.count > 0 && (sums.records, sums.rejected) != says
        })
        .map(|load| {
            format!(
                "load {} says {} rows and {} rejected, its sources {} and {}",
                load.number,
                load.records + load.superseded,
                load.rejected,
                load.sources.records,
                load.sources.rejected
            )
        })
        .collect();
    against.extend(doubled.iter().map(|name| format!("{name} is held twice")));
    let count: u64 = loads.iter().map(|load| load.sources.count).sum();
    Check::of(
        "sources",
        against,
        format!("{count}, which come to what their loads say"),
    )
}

/// Whether the table has the rows that loads tell of. `found` is its OID and its rows, if it is there.
pub fn check_rows(recorded: Option<super::Recorded>, found: Option<(u32, u64)>) -> Check {
    const NAME: &str = "rows";
    let Some(recorded) = recorded else {
        return Check::unmade(NAME, "nothing was loaded yet");
    };
    let mut against = Vec::new();
    match found {
        None if recorded.rows == 0 => {}
        None => against.push("the table does not exist".to_owned()),
        Some((oid, _)) if oid != recorded.oid => {
            against.push("the table was made anew since the last load".to_owned());
        }
        Some((_, rows)) if rows != recorded.rows => {
            against.push(format!(
                "the table has {rows}, by the ledger {}",
                recorded.rows
            ));
        }
        Some(_) => {}
    }
    Check::of(NAME, against, format!("{} in the table", recorded.rows))
}

#[cfg(test)]
mod tests {
    use super::super::Recorded;
    use super::*;

    fn load(number: i64, records: u64, sources: Sums) -> Booked {
        Booked {
            number,
            id: format!("{number:032x}"),
            mode: "append".into(),
            records,
            sources,
            ..Booked::default()
        }
    }

    fn sums(count: u64, records: u64, rejected: u64) -> Sums {
        Sums {
            count,
            records,
            rejected,
        }
    }

    #[test]
    fn numbers_have_no_gap_and_end_with_the_mutexs() {
        let loads = |numbers: &[i64]| -> Vec<Booked> {
            numbers
                .iter()
                .map(|n| load(*n, 0, Sums::default()))
                .collect()
        };
        use MutexSeen::{Busy, Damaged, Number};
        for (numbers, mutex, verdict) in [
            (&[1, 2, 3][..], Number(3), Verdict::Agrees),
            (&[], Number(0), Verdict::Agrees),
            (&[1, 2, 3], Busy, Verdict::Agrees),
            (&[1, 2, 3], Number(4), Verdict::Differs),
            (&[1, 2, 3], Damaged, Verdict::Differs),
            (&[1, 3], Busy, Verdict::Differs),
            (&[2, 3], Number(3), Verdict::Differs),
            (&[1, 1, 2], Number(2), Verdict::Differs),
        ] {
            let check = check_loads(&loads(numbers), mutex);
            assert_eq!(
                check.verdict, verdict,
                "{numbers:?} {mutex:?} {}",
                check.text
            );
        }
    }

    #[test]
    fn sources_come_to_what_their_load_says() {
        let superseded = Booked {
            superseded: 2,
            ..load(1, 3, sums(1, 5, 0))
        };
        for (load, doubled, verdict) in [
            (load(1, 3, sums(2, 3, 0)), None, Verdict::Agrees),
            (load(1, 3, sums(2, 4, 0)), None, Verdict::Differs),
            (load(1, 3, sums(2, 3, 1)), None, Verdict::Differs),
            // adopted rows have no source
            (load(1, 3, Sums::default()), None, Verdict::Agrees),
            (superseded, None, Verdict::Agrees),
            (load(1, 3, sums(2, 3, 0)), Some("a"), Verdict::Differs),
        ] {
            let doubled: Vec<String> = doubled.into_iter().map(str::to_owned).collect();
            let check = check_sources(std::slice::from_ref(&load), &doubled);
            assert_eq!(check.verdict, verdict, "{load:?}: {}", check.text);
        }
    }

    #[test]
    fn the_table_has_the_rows_that_loads_tell_of() {
        let recorded = |rows| {
            Some(Recorded {
                number: 3,
                oid: 7,
                rows,
            })
        };
        for (recorded, found, verdict) in [
            (recorded(10), Some((7, 10)), Verdict::Agrees),
            (recorded(10), Some((7, 9)), Verdict::Differs),
            (recorded(10), Some((8, 10)), Verdict::Differs),
            (recorded(10), None, Verdict::Differs),
            (recorded(0), None, Verdict::Agrees),
            (None, Some((7, 3)), Verdict::Unchecked),
        ] {
            assert_eq!(
                check_rows(recorded, found).verdict,
                verdict,
                "{recorded:?} {found:?}"
            );
        }
    }

    #[test]
    fn only_the_first_differences_are_named() {
        let many = (0..7).map(|n| n.to_string()).collect();
        let check = Check::of("rows", many, String::new());
        assert_eq!(check.text, "0; 1; 2; 3; 4; and 2 more");
    }

    #[test]
    fn where_others_may_take_rows_there_may_be_fewer() {
        for (proof, got, holds) in [
            (Proof::Exact, 3, true),
            (Proof::Exact, 2, false),
            (Proof::AtMost, 2, true),
            (Proof::AtMost, 4, false),
        ] {
            assert_eq!(proof.holds(3, got), holds, "{proof:?} {got}");
        }
    }
}
