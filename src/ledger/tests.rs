//! Rules of the protocol that the ledger alone decides.

use super::*;

fn entry(name: &str, digest: &str, number: i64) -> Entry {
    Entry {
        load_id: format!("load{number}"),
        load_number: number,
        target_oid: 7,
        scope: String::new(),
        name: name.into(),
        digest: digest.into(),
        origin: Origin::Host("here".into()),
        options: String::new(),
    }
}

fn candidates(list: &[(&str, &str)]) -> Vec<Candidate> {
    list.iter()
        .map(|(name, digest)| Candidate {
            name: (*name).into(),
            digest: (*digest).into(),
        })
        .collect()
}

fn policy() -> Policy {
    Policy {
        scope: String::new(),
        origin: Origin::Host("here".into()),
        on_replaced: OnReplaced::Error,
        same_content: SameContent::Judge,
        options: String::new(),
    }
}

fn loads(
    list: &[(&str, &str)],
    entries: &[Entry],
    policy: &Policy,
) -> Result<Vec<usize>, LedgerError> {
    decide(&candidates(list), entries, policy).map(|plan| plan.load)
}

#[test]
fn only_what_the_ledger_does_not_have_is_loaded() {
    let known = [entry("a", "A", 1), entry("b", "B", 1)];
    assert_eq!(
        loads(&[("a", "A"), ("b", "B")], &known, &policy()),
        Ok(vec![])
    );
    assert_eq!(
        loads(&[("a", "A"), ("b", "B"), ("c", "C")], &known, &policy()),
        Ok(vec![2])
    );
    assert_eq!(loads(&[("a", "A")], &[], &policy()), Ok(vec![0]));
}

#[test]
fn equal_names_in_another_scope_are_other_sources() {
    let mut other = policy();
    other.scope = "tenant-2".into();
    assert_eq!(
        loads(&[("a", "A")], &[entry("a", "A", 1)], &other),
        Ok(vec![0])
    );
    assert_ne!(source_key("", "a"), source_key("tenant-2", "a"));
    // the border between scope and name is part of the key
    assert_ne!(source_key("ab", "c"), source_key("a", "bc"));
}

/// Rows carry it for as long as the table lives: what was computed once, by another program, stays.
#[test]
fn a_sources_id_never_changes_and_every_part_of_it_counts() {
    let digest = "a7c4d54776fcb179f048728766a52d75dc450cc2a5072b7e2c238aa9b2cff3b6";
    let name = "/pfs/data/a.json";
    for (scope, id) in [
        ("", "4c9ecc95e0eba384899673089800b58d"),
        ("eu", "4311b52d413831f18bb7edf09c8e9c25"),
    ] {
        assert_eq!(source_id(scope, name, digest), id);
    }
    assert_ne!(source_id("", name, digest), source_id("", name, "00"));
    assert_ne!(source_id("ab", "c", digest), source_id("a", "bc", digest));
    assert_ne!(source_id("", "a", "bc"), source_id("", "ab", "c"));
}

#[test]
fn a_known_name_with_other_content_is_refused_unless_asked_for() {
    let known = [entry("a", "A", 3)];
    assert_eq!(
        loads(&[("a", "B")], &known, &policy()),
        Err(LedgerError::Replaced {
            name: "a".into(),
            load_number: 3
        })
    );
    let append = Policy {
        on_replaced: OnReplaced::Append,
        ..policy()
    };
    assert_eq!(loads(&[("a", "B")], &known, &append), Ok(vec![0]));
    // and once both are known, neither is loaded again
    let both = [entry("a", "A", 3), entry("a", "B", 4)];
    assert_eq!(loads(&[("a", "B")], &both, &append), Ok(vec![]));
    assert_eq!(loads(&[("a", "A")], &both, &append), Ok(vec![]));
}

#[test]
fn another_pipeline_is_refused_and_another_host_only_warned_about() {
    let mut pipeline = policy();
    pipeline.origin = Origin::Pipeline {
        project: "p".into(),
        pipeline: "export".into(),
    };
    let mut theirs = entry("a", "A", 1);
    assert!(matches!(
        loads(&[("a", "A")], &[theirs.clone()], &pipeline),
        Err(LedgerError::OtherPipeline { .. })
    ));
    theirs.origin = Origin::Host("there".into());
    let plan = decide(&candidates(&[("a", "A")]), &[theirs], &policy()).expect("a plan");
    assert_eq!((plan.load.len(), plan.warnings.len()), (0, 1));
}

#[test]
fn a_moved_mount_is_noticed() {
    let known = [entry("/old/a", "A", 1), entry("/old/b", "B", 1)];
    let moved = [("/new/a", "A"), ("/new/b", "B"), ("/new/c", "C")];
    assert!(matches!(
        loads(&moved, &known, &policy()),
        Err(LedgerError::SameContent {
            same: 2,
            new: 3,
            ..
        })
    ));
    let choose = |same_content| Policy {
        same_content,
        ..policy()
    };
    assert_eq!(
        loads(&moved, &known, &choose(SameContent::Load)),
        Ok(vec![0, 1, 2])
    );
    assert_eq!(
        loads(&moved, &known, &choose(SameContent::Skip)),
        Ok(vec![2])
    );
    // a single one is loaded, with a warning
    let plan = decide(&candidates(&moved[..1]), &known, &policy()).expect("a plan");
    assert_eq!((plan.load, plan.warnings.len()), (vec![0], 1));
}

#[test]
fn retired_and_void_entries_are_not_current() {
    let retired = Retirement {
        retired_load_id: "load1".into(),
        scope: String::new(),
        name: "a".into(),
    };
    let rows = vec![entry("a", "A", 1), entry("a", "B", 2), entry("b", "B", 1)];
    let names = |oid| -> Vec<String> {
        current(rows.clone(), std::slice::from_ref(&retired), oid)
            .into_iter()
            .map(|e| e.digest + &e.name)
            .collect()
    };
    assert_eq!(names(Some(7)), ["Ba", "Bb"]);
    assert!(names(Some(8)).is_empty());
    assert!(names(None).is_empty());
}

#[test]
fn the_ledgers_limits_are_checked() {
    let name = |bytes| "x".repeat(bytes);
    let check = |names: &[String]| check_names(names.iter().map(String::as_str));
    assert_eq!(check(&[name(MAX_NAME_BYTES)]), Ok(()));
    assert!(matches!(
        check(&[name(MAX_NAME_BYTES + 1)]),
        Err(LedgerError::LongName { bytes: 4_097, .. })
    ));
    assert_eq!(check(&vec![name(1); MAX_SOURCES]), Ok(()));
    assert_eq!(
        check(&vec![name(1); MAX_SOURCES + 1]),
        Err(LedgerError::TooManySources { found: 100_001 })
    );
}

#[test]
fn a_doubled_entry_is_an_error() {
    assert_eq!(
        loads(
            &[("a", "A")],
            &[entry("a", "A", 1), entry("a", "A", 2)],
            &policy()
        ),
        Err(LedgerError::Doubled {
            name: "a".into(),
            first: 1,
            second: 2
        })
    );
}
