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
        records: 10,
        lineage: Lineage::Carried,
    }
}

fn candidates(list: &[(&str, &str)]) -> Vec<Candidate> {
    list.iter()
        .map(|(name, digest)| Candidate {
            name: (*name).into(),
            digest: (*digest).into(),
            counts: None,
        })
        .collect()
}

fn without_records(mut candidate: Candidate) -> Candidate {
    candidate.counts = Some(Counts { read: 0, rows: 0 });
    candidate
}

fn policy() -> Policy {
    with_mode(Mode::Append(OnReplaced::Error))
}

fn with_mode(mode: Mode) -> Policy {
    Policy {
        scope: String::new(),
        origin: Origin::Host("here".into()),
        mode,
        same_content: SameContent::Judge,
        empty: EmptyInput::Refuse,
        options: String::new(),
        other_options: OtherOptions::Warn,
    }
}

fn on_replaced(on_replaced: OnReplaced) -> Policy {
    with_mode(Mode::Append(on_replaced))
}

fn upsert() -> Policy {
    with_mode(Mode::Upsert(Upsert {
        key: vec!["id".into()],
        order_by: None,
        absent: AbsentColumns::Refuse,
    }))
}

fn replace(version: Option<i64>) -> Policy {
    with_mode(Mode::Replace(Replace {
        only: None,
        version,
    }))
}

fn known(entries: &[Entry]) -> Known {
    Known {
        entries: entries.to_vec(),
        newest: None,
    }
}

/// The ledger after a replace by these sources.
fn replaced_by(number: i64, sources: &[(&str, &str)]) -> Known {
    Known {
        entries: sources
            .iter()
            .map(|(name, digest)| entry(name, digest, number))
            .collect(),
        newest: Some(NewestLoad {
            number,
            mode: "replace".into(),
            options: String::new(),
            only: None,
            version: None,
        }),
    }
}

/// A decision in a ledger that did not change meanwhile.
fn plan(list: &[(&str, &str)], entries: &[Entry], policy: &Policy) -> Result<Plan, LedgerError> {
    let known = known(entries);
    decide(&candidates(list), &known, &known, policy)
}

fn loads(
    list: &[(&str, &str)],
    entries: &[Entry],
    policy: &Policy,
) -> Result<Vec<usize>, LedgerError> {
    plan(list, entries, policy).map(|plan| plan.load)
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
fn a_source_without_records_gets_no_entry() {
    let empty: Vec<Candidate> = candidates(&[("a", "A")])
        .into_iter()
        .map(without_records)
        .collect();
    for policy in [policy(), upsert()] {
        let nothing = Known::default();
        let plan = decide(&empty, &nothing, &nothing, &policy).expect("a plan");
        assert!(plan.is_nothing() && plan.skip.is_empty());
    }
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
    let append = on_replaced(OnReplaced::Append);
    let plan = plan(&[("a", "B")], &known, &append).expect("a plan");
    assert_eq!((plan.load, plan.displaced), (vec![0], Displaced::Nothing));
    // and once both are known, neither is loaded again
    let both = [entry("a", "A", 3), entry("a", "B", 4)];
    assert_eq!(loads(&[("a", "B")], &both, &append), Ok(vec![]));
    assert_eq!(loads(&[("a", "A")], &both, &append), Ok(vec![]));
}

#[test]
fn keep_leaves_the_old_rows_and_says_so() {
    let plan = plan(
        &[("a", "B"), ("c", "C")],
        &[entry("a", "A", 3)],
        &on_replaced(OnReplaced::Keep),
    )
    .expect("a plan");
    assert_eq!((plan.load, plan.skip), (vec![1], vec![0]));
    assert_eq!(plan.displaced, Displaced::Nothing);
    assert!(plan.warnings[0].contains("their old rows stay"));
}

#[test]
fn supersede_takes_the_place_of_all_former_contents() {
    let former = [entry("a", "A", 3), entry("a", "B", 4)];
    let policy = on_replaced(OnReplaced::Supersede);
    let decided = plan(&[("a", "C")], &former, &policy).expect("a plan");
    assert_eq!(decided.load, [0]);
    assert_eq!(decided.displaced, Displaced::Sources(former.to_vec()));
    // one of them is skipped like any known source
    assert!(
        plan(&[("a", "B")], &former, &policy)
            .expect("a plan")
            .is_nothing()
    );
}

#[test]
fn superseding_rows_that_do_not_carry_their_source_is_refused() {
    let unmarked = Entry {
        lineage: Lineage::Absent,
        ..entry("a", "A", 3)
    };
    let policy = on_replaced(OnReplaced::Supersede);
    assert!(matches!(
        loads(&[("a", "B")], std::slice::from_ref(&unmarked), &policy),
        Err(LedgerError::NoLineage { load_number: 3, .. })
    ));
    // without rows there is nothing to find again
    let none = Entry {
        records: 0,
        ..unmarked
    };
    assert_eq!(loads(&[("a", "B")], &[none], &policy), Ok(vec![0]));
}

#[test]
fn a_source_that_became_empty_supersedes_only_where_that_is_wanted() {
    let known = known(&[entry("a", "A", 3)]);
    let empty: Vec<Candidate> = candidates(&[("a", "B")])
        .into_iter()
        .map(without_records)
        .collect();
    let mut policy = on_replaced(OnReplaced::Supersede);
    assert!(matches!(
        decide(&empty, &known, &known, &policy),
        Err(LedgerError::NothingInstead { .. })
    ));
    policy.empty = EmptyInput::Allow;
    let plan = decide(&empty, &known, &known, &policy).expect("a plan");
    assert!(plan.load.is_empty() && !plan.is_nothing());
}

#[test]
fn what_takes_the_place_of_something_must_have_known_it_before_the_input_was_opened() {
    let (first, second) = ([entry("a", "d1", 1)], [entry("a", "d2", 2)]);
    for policy in [on_replaced(OnReplaced::Supersede), upsert()] {
        let decide = |digest: &str, now: &[Entry], start: &[Entry]| {
            decide(
                &candidates(&[("a", digest)]),
                &known(now),
                &known(start),
                &policy,
            )
        };
        assert!(decide("d3", &first, &first).is_ok());
        // d1, then d2 by somebody else: this run may have read something older
        assert!(matches!(
            decide("d3", &second, &first),
            Err(LedgerError::Overtaken { load_number: 2, .. })
        ));
        assert!(matches!(
            decide("d3", &first, &[]),
            Err(LedgerError::Overtaken { .. })
        ));
        // the same content again (d1, d2, d1) is another load
        assert!(matches!(
            decide("d3", &[entry("a", "d1", 3)], &first),
            Err(LedgerError::Overtaken { .. })
        ));
        // a twin did it
        assert!(decide("d2", &second, &first).expect("a plan").is_nothing());
    }
    // appending takes the place of nothing
    let append = on_replaced(OnReplaced::Append);
    let now = known(&second);
    let plan = decide(&candidates(&[("a", "d3")]), &now, &known(&first), &append);
    assert_eq!(plan.expect("a plan").load, [0]);
}

#[test]
fn an_upsert_retires_the_former_content_but_not_for_nothing() {
    let known = known(&[entry("a", "A", 1)]);
    let changed = candidates(&[("a", "B")]);
    let plan = decide(&changed, &known, &known, &upsert()).expect("a plan");
    assert_eq!(plan.load, [0]);
    assert_eq!(plan.displaced, Displaced::Entries(known.entries.clone()));
    // keys that are gone stay
    let empty: Vec<Candidate> = changed.into_iter().map(without_records).collect();
    let plan = decide(&empty, &known, &known, &upsert()).expect("a plan");
    assert!(plan.is_nothing());
}

#[test]
fn a_replace_is_skipped_only_if_the_newest_load_is_exactly_this_state() {
    let policy = replace(None);
    let now = replaced_by(4, &[("a", "A"), ("b", "B")]);
    let decided = |list: &[(&str, &str)], now: &Known, policy: &Policy| {
        let plan = decide(&candidates(list), now, now, policy).expect("a plan");
        match plan.displaced {
            Displaced::Nothing => plan.load.len(),
            _ => 100 + plan.load.len(),
        }
    };
    assert_eq!(decided(&[("b", "B"), ("a", "A")], &now, &policy), 0);
    for other in [
        &[("a", "A")][..],
        &[("a", "A"), ("b", "C")],
        &[("a", "A"), ("b", "B"), ("c", "C")],
        &[("a", "A"), ("c", "B")],
    ] {
        assert_eq!(
            decided(other, &now, &policy),
            100 + other.len(),
            "{other:?}"
        );
    }
    let same = [("a", "A"), ("b", "B")];
    // under other options, in another scope, or after another kind of load
    let options = Policy {
        options: "1 ignore".into(),
        ..policy.clone()
    };
    let scope = Policy {
        scope: "s".into(),
        ..policy.clone()
    };
    for other in [options, scope] {
        assert_eq!(decided(&same, &now, &other), 102);
    }
    for mode in ["append", "forget", "reload", "replace-where"] {
        let mut other = now.clone();
        other.newest.as_mut().expect("a load").mode = mode.into();
        assert_eq!(decided(&same, &other, &policy), 102, "{mode}");
    }
    // sources without records have no entries
    let mut with_empty = candidates(&[("a", "A"), ("b", "B"), ("e", "E")]);
    with_empty[2].counts = Some(Counts { read: 0, rows: 0 });
    let plan = decide(&with_empty, &now, &now, &policy).expect("a plan");
    assert!(plan.is_nothing());
}

#[test]
fn a_replace_begins_again_when_another_load_came_first() {
    let (start, now) = (
        replaced_by(4, &[("a", "d1")]),
        replaced_by(5, &[("a", "d2")]),
    );
    let decide = |digest| decide(&candidates(&[("a", digest)]), &now, &start, &replace(None));
    // the older reader must not overwrite the newer one, not even by what stood there when it began
    for digest in ["d1", "d3"] {
        assert!(matches!(
            decide(digest),
            Err(LedgerError::Overtaken { load_number: 5, .. })
        ));
    }
    // a twin left exactly this
    assert!(decide("d2").expect("a plan").is_nothing());
}

#[test]
fn a_replace_of_a_state_that_was_there_before_loads_it_again() {
    // d1, d2, d1
    let now = replaced_by(2, &[("a", "d2")]);
    let plan = decide(&candidates(&[("a", "d1")]), &now, &now, &replace(None)).expect("a plan");
    assert_eq!(
        (plan.load, plan.displaced),
        (vec![0], Displaced::Everything)
    );
}

#[test]
fn the_version_of_frozen_input_must_be_greater_than_the_last() {
    let mut now = replaced_by(4, &[("a", "A")]);
    now.newest.as_mut().expect("a load").version = Some(7);
    let decide = |digest, version| {
        decide(
            &candidates(&[("a", digest)]),
            &now,
            &now,
            &replace(Some(version)),
        )
    };
    for version in [6, 7] {
        assert_eq!(
            decide("B", version),
            Err(LedgerError::OldVersion { version, last: 7 })
        );
    }
    assert!(!decide("B", 8).expect("a plan").is_nothing());
    // the retry of what was loaded
    assert!(decide("A", 7).expect("a plan").is_nothing());
}

#[test]
fn a_replace_by_nothing_is_refused_unless_allowed() {
    let now = replaced_by(4, &[("a", "A")]);
    let empty: Vec<Candidate> = candidates(&[("a", "B")])
        .into_iter()
        .map(without_records)
        .collect();
    let mut rejected = candidates(&[("a", "B")]);
    rejected[0].counts = Some(Counts { read: 3, rows: 0 });
    for nothing in [&[][..], &empty, &rejected] {
        assert!(matches!(
            decide(nothing, &now, &now, &replace(None)),
            Err(LedgerError::NothingInstead { .. })
        ));
        let allowed = Policy {
            empty: EmptyInput::Allow,
            ..replace(None)
        };
        let plan = decide(nothing, &now, &now, &allowed).expect("a plan");
        assert_eq!(plan.displaced, Displaced::Everything);
        // all that was rejected is known as such
        assert_eq!(plan.load.len(), usize::from(nothing == rejected.as_slice()));
    }
    // and is the state once it was done
    let nothing = replaced_by(5, &[]);
    let plan = decide(&[], &nothing, &nothing, &replace(None)).expect("a plan");
    assert!(plan.is_nothing());
}

#[test]
fn a_replace_where_takes_away_what_has_its_value() {
    let only = Condition {
        column: "day".into(),
        value: Literal::Text("2026-01-31".into()),
    };
    let policy = with_mode(Mode::Replace(Replace {
        only: Some(only.clone()),
        version: None,
    }));
    let mut now = replaced_by(4, &[("a", "A")]);
    let decided = |now: &Known| decide(&candidates(&[("a", "A")]), now, now, &policy);
    // the whole table was replaced last
    let plan = decided(&now).expect("a plan");
    assert_eq!(plan.displaced, Displaced::Where(only.clone()));
    let newest = now.newest.as_mut().expect("a load");
    (newest.mode, newest.only) = ("replace-where".into(), Some(only));
    assert!(decided(&now).expect("a plan").is_nothing());
}

#[test]
fn sources_are_digested_beforehand_where_that_can_save_loading_them() {
    let names = ["a".to_owned(), "b".to_owned()];
    let appended = known(&[entry("b", "B", 1)]);
    assert_eq!(worth_digesting(&names, &appended, &policy()), [false, true]);
    let state = replaced_by(3, &[("a", "A"), ("b", "B")]);
    assert_eq!(
        worth_digesting(&names, &state, &replace(None)),
        [true, true]
    );
    for other in [
        replaced_by(3, &[("a", "A")]),
        known(&[entry("a", "A", 1), entry("b", "B", 1)]),
    ] {
        assert_eq!(
            worth_digesting(&names, &other, &replace(None)),
            [false, false]
        );
    }
}

#[test]
fn sources_loaded_under_other_options_are_counted_or_refused() {
    let known = [entry("a", "A", 1), entry("b", "B", 1)];
    let other = Policy {
        options: "1 ignore".into(),
        ..policy()
    };
    let list = [("a", "A"), ("b", "B")];
    let decided = plan(&list, &known, &other).expect("a plan");
    assert!(decided.is_nothing());
    assert!(decided.warnings[0].starts_with("2 sources were loaded under other options"));
    let strict = Policy {
        other_options: OtherOptions::Refuse,
        ..other
    };
    assert_eq!(
        plan(&list, &known, &strict),
        Err(LedgerError::OtherOptions {
            count: 2,
            name: "a".into()
        })
    );
}

#[test]
fn another_pipeline_is_refused_and_another_host_only_warned_about() {
    let pipeline = |mode: Policy| Policy {
        origin: Origin::Pipeline {
            project: "p".into(),
            pipeline: "export".into(),
        },
        ..mode
    };
    let state = replaced_by(1, &[("a", "A")]);
    for policy in [
        policy(),
        on_replaced(OnReplaced::Keep),
        upsert(),
        replace(None),
    ] {
        for digest in ["A", "B"] {
            let candidates = candidates(&[("a", digest)]);
            assert!(matches!(
                decide(&candidates, &state, &state, &pipeline(policy.clone())),
                Err(LedgerError::OtherPipeline { .. })
            ));
        }
    }
    let mut theirs = entry("a", "A", 1);
    theirs.origin = Origin::Host("there".into());
    let plan = plan(&[("a", "A")], &[theirs], &policy()).expect("a plan");
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
    let plan = plan(&moved[..1], &known, &policy()).expect("a plan");
    assert_eq!((plan.load, plan.warnings.len()), (vec![0], 1));
}

#[test]
fn retired_and_void_entries_are_not_current() {
    let extract = |adoptions: &[(u32, u32)]| Extract {
        entries: vec![entry("a", "A", 1), entry("a", "B", 2), entry("b", "B", 1)],
        retirements: vec![Retirement {
            retired_load_id: "load1".into(),
            scope: String::new(),
            name: "a".into(),
        }],
        adoptions: adoptions
            .iter()
            .map(|(from, to)| Adoption {
                from: *from,
                to: *to,
            })
            .collect(),
    };
    let names = |extract: Extract, oid| -> Vec<String> {
        let current = extract.current(oid).into_iter();
        current.map(|e| e.digest + &e.name).collect()
    };
    assert_eq!(names(extract(&[]), Some(7)), ["Ba", "Bb"]);
    assert!(names(extract(&[]), Some(8)).is_empty());
    assert!(names(extract(&[]), None).is_empty());
    // a table that has the rows of another, by way of a third
    assert_eq!(names(extract(&[(8, 9), (7, 8)]), Some(9)), ["Ba", "Bb"]);
    assert!(names(extract(&[(8, 9)]), Some(9)).is_empty());
}

#[test]
fn an_entry_that_was_found_twice_counts_once() {
    let twice = Extract {
        entries: vec![entry("a", "A", 1), entry("a", "A", 1), entry("a", "A", 2)],
        ..Extract::default()
    };
    assert_eq!(twice.current(Some(7)).len(), 2);
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
    let mut second = entry("a", "A", 2);
    let doubled = [entry("a", "A", 1), second.clone()];
    assert_eq!(
        loads(&[("a", "A")], &doubled, &policy()),
        Err(LedgerError::Doubled {
            name: "a".into(),
            first: 1,
            second: 2
        })
    );
    // one without rows doubles nothing
    second.records = 0;
    let known = [entry("a", "A", 1), second];
    assert_eq!(loads(&[("a", "A")], &known, &policy()), Ok(vec![]));
}
