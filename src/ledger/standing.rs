//! Whether the table is still the one that the ledger speaks of.
//!
//! A ledger that says "loaded" of a table that was emptied or made anew would lose rows in silence, and
//! loading all of it again could double them. So neither is done unless it is asked for.

use super::Mode;

/// What the ledger's newest load says of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Number of that load
    pub number: i64,
    /// The table's OID then
    pub oid: u32,
    /// Rows the table had after it, as far as loads tell
    pub rows: u64,
}

/// The table as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its OID; `None` if there is no such table
    pub oid: Option<u32>,
    /// Its rows; `None` if they may not be seen. Where the OID is the recorded one, 1 stands for any.
    pub rows: Option<u64>,
}

/// What the user says about a table that changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Nothing: it is an error
    Nothing,
    /// What was loaded into the old one is gone: load it again
    Reload,
    /// What was loaded into the old one is in the new one
    Trust,
}

/// What the table is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same as before
    Same,
    /// What was loaded is not in it any more: entries are to be voided
    Void,
    /// What was loaded is in it although it is another: that is to be noted
    Adopted,
}

/// In what way a table changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is gone
    Missing,
    /// Its rows are gone
    Emptied,
    /// It has another OID
    MadeAnew,
}

impl Change {
    /// `it is empty`
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => "it does not exist any more",
            Self::Emptied => "it is empty",
            Self::MadeAnew => "it was made anew",
        }
    }
}

/// What changed, if something did. A ledger that speaks of no rows has nothing to lose.
pub fn change(recorded: Recorded, found: Found) -> Option<Change> {
    match (found.oid, found.rows) {
        _ if recorded.rows == 0 => None,
        (None, _) => Some(Change::Missing),
        (Some(oid), _) if oid != recorded.oid => Some(Change::MadeAnew),
        (Some(_), Some(0)) => Some(Change::Emptied),
        (Some(_), _) => None,
    }
}

/// Judges a table. Another one with exactly the recorded number of rows is taken for a copy when rows are
/// only appended.
///
/// # Errors
/// The change, if nothing was said about it or what was said does not apply.
pub fn judge_table(
    recorded: Recorded,
    found: Found,
    mode: &Mode,
    remedy: Remedy,
) -> Result<Standing, Change> {
    let Some(change) = change(recorded, found) else {
        return Ok(Standing::Same);
    };
    match (remedy, change) {
        (Remedy::Reload, _) => Ok(Standing::Void),
        (Remedy::Trust, Change::Emptied | Change::MadeAnew) => Ok(Standing::Adopted),
        (Remedy::Nothing, Change::MadeAnew)
            if matches!(mode, Mode::Append(_)) && found.rows == Some(recorded.rows) =>
        {
            Ok(Standing::Adopted)
        }
        _ => Err(change),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OnReplaced, Replace};
    use super::*;

    const RECORDED: Recorded = Recorded {
        number: 4,
        oid: 7,
        rows: 10,
    };
    const APPEND: Mode = Mode::Append(OnReplaced::Error);

    fn found(oid: impl Into<Option<u32>>, rows: impl Into<Option<u64>>) -> Found {
        Found {
            oid: oid.into(),
            rows: rows.into(),
        }
    }

    #[test]
    fn a_table_that_is_missing_empty_or_made_anew_is_an_error() {
        let judge = |found| judge_table(RECORDED, found, &APPEND, Remedy::Nothing);
        assert_eq!(judge(found(7, 1)), Ok(Standing::Same));
        assert_eq!(judge(found(None, None)), Err(Change::Missing));
        assert_eq!(judge(found(7, 0)), Err(Change::Emptied));
        assert_eq!(judge(found(8, 9)), Err(Change::MadeAnew));
        assert_eq!(judge(found(8, 0)), Err(Change::MadeAnew));
        // without SELECT only the OID is compared
        assert_eq!(judge(found(7, None)), Ok(Standing::Same));
        assert_eq!(judge(found(8, None)), Err(Change::MadeAnew));
    }

    #[test]
    fn a_ledger_that_speaks_of_no_rows_has_nothing_to_lose() {
        let empty = Recorded {
            rows: 0,
            ..RECORDED
        };
        for now in [found(None, None), found(7, 0), found(8, 3)] {
            assert_eq!(
                judge_table(empty, now, &APPEND, Remedy::Nothing),
                Ok(Standing::Same)
            );
        }
    }

    #[test]
    fn another_table_with_exactly_as_many_rows_is_adopted_when_appending() {
        let judge = |mode: &Mode| judge_table(RECORDED, found(8, 10), mode, Remedy::Nothing);
        assert_eq!(judge(&APPEND), Ok(Standing::Adopted));
        let replace = Mode::Replace(Replace {
            only: None,
            version: None,
        });
        assert_eq!(judge(&replace), Err(Change::MadeAnew));
    }

    #[test]
    fn reload_voids_what_is_gone_and_nothing_else() {
        let judge = |found| judge_table(RECORDED, found, &APPEND, Remedy::Reload);
        for gone in [found(None, None), found(7, 0), found(8, 10), found(8, None)] {
            assert_eq!(judge(gone), Ok(Standing::Void));
        }
        // a flag left in a specification does no harm
        assert_eq!(judge(found(7, 1)), Ok(Standing::Same));
    }

    #[test]
    fn trust_takes_another_table_for_the_old_one_but_not_none() {
        let judge = |found| judge_table(RECORDED, found, &APPEND, Remedy::Trust);
        assert_eq!(judge(found(8, 3)), Ok(Standing::Adopted));
        assert_eq!(judge(found(8, None)), Ok(Standing::Adopted));
        assert_eq!(judge(found(7, 0)), Ok(Standing::Adopted));
        assert_eq!(judge(found(None, None)), Err(Change::Missing));
        assert_eq!(judge(found(7, 5)), Ok(Standing::Same));
    }
}
