//! Without one of its rules the protocol does not hold: for each there is a history that breaks a property. A search that
//! finds nothing wrong here is broken.

#![expect(clippy::print_stdout, reason = "`--nocapture` shows the histories")]

use load_model::LoadProtocol;
use load_model::properties::{
    LEDGER_AND_ROWS, NEVER_OLDER, NEXT_RUN_ENDS, NOT_ANOTHER_TABLE, ONE_CONTENT, ONE_IS_ABSENT,
    PARTS_RETURN, PARTS_STAY, ROWS_ONCE, ZERO_IS_LOADED,
};
use load_model::searches::{self, Size::Short};
use load_model::setting::{Mutant, Setting, Skipping};

/// The shortest history of a setting that breaks a property.
fn is_broken(setting: Setting, property: &'static str) {
    let (name, mutant) = (setting.name, setting.mutant);
    let history = LoadProtocol::new(setting).shortest(property);
    let history =
        history.unwrap_or_else(|| panic!("{name}, {mutant:?}: nothing breaks {property}"));
    println!("{name}, {mutant:?}\n{history}");
}

#[test]
fn without_lock_and_update_two_loads_double_a_source() {
    is_broken(
        searches::append(Short).without(Mutant::NeitherLockNorUpdate),
        ROWS_ONCE,
    );
}

#[test]
fn a_lock_after_a_select_does_not_help() {
    is_broken(
        searches::append(Short).without(Mutant::LateLockWithoutUpdate),
        ROWS_ONCE,
    );
}

#[test]
fn the_update_guards_a_lock_after_a_select() {
    for search in [
        searches::append,
        searches::append_append,
        searches::supersede,
    ] {
        let found = LoadProtocol::new(search(Short).without(Mutant::LateLock)).search();
        assert!(found.wrong.is_empty(), "{}", found.wrong.concat());
    }
}

#[test]
fn the_update_alone_leaves_recovery_without_a_final_answer() {
    is_broken(
        searches::append(Short).without(Mutant::UpdateWithoutLock),
        ONE_IS_ABSENT,
    );
}

/// As measured on PostgreSQL: serializable isolation hides that there is no lock.
#[test]
fn serializable_isolation_guards_the_rows_without_a_lock() {
    for property in [ROWS_ONCE, LEDGER_AND_ROWS] {
        let setting = searches::serializable(Short).without(Mutant::NeitherLockNorUpdate);
        let history = LoadProtocol::new(setting).shortest(property);
        assert_eq!(history, None, "{property}");
    }
}

#[test]
fn entries_must_be_read_again_under_the_lock() {
    is_broken(
        searches::append_error(Short).without(Mutant::EntriesNotReadAgain),
        ONE_CONTENT,
    );
    is_broken(
        searches::append(Short).without(Mutant::EntriesNotReadAgain),
        ROWS_ONCE,
    );
}

#[test]
fn a_blind_retry_doubles_a_load_whose_answer_was_lost() {
    let alone = |mut setting: Setting| {
        setting.commands.truncate(1);
        setting
    };
    is_broken(
        alone(searches::append(Short)).without(Mutant::BlindRetry),
        ROWS_ONCE,
    );
}

#[test]
fn a_ledger_outside_of_the_transaction_loses_what_was_loaded() {
    let setting = || searches::append(Short).without(Mutant::LedgerOutside);
    is_broken(setting(), LEDGER_AND_ROWS);
    // the mutex is ahead of the ledger, which every load refuses
    is_broken(setting(), NEXT_RUN_ENDS);
}

#[test]
fn recovery_by_digest_takes_an_older_load_for_its_own() {
    let setting = searches::reverting(searches::supersede(Short)).without(Mutant::RecoveryByDigest);
    let skipping = Skipping::Recorded;
    is_broken(
        Setting {
            skipping,
            ..setting
        },
        ZERO_IS_LOADED,
    );
}

#[test]
fn recovery_without_the_lock_is_not_final() {
    is_broken(
        searches::append(Short).without(Mutant::RecoveryWithoutLock),
        ONE_IS_ABSENT,
    );
}

#[test]
fn a_retired_entry_does_not_count() {
    is_broken(
        searches::reverting(searches::upsert(Short)).without(Mutant::RetiredEntriesCount),
        ZERO_IS_LOADED,
    );
    is_broken(
        searches::forget(Short).without(Mutant::RetiredEntriesCount),
        NEXT_RUN_ENDS,
    );
}

#[test]
fn replace_needs_the_number() {
    is_broken(
        searches::replace(Short).without(Mutant::StartNotKept),
        NEVER_OLDER,
    );
}

#[test]
fn the_number_is_read_before_the_input_is_opened() {
    is_broken(
        searches::replace(Short).without(Mutant::LookAfterReading),
        NEVER_OLDER,
    );
    is_broken(
        searches::supersede(Short).without(Mutant::LookAfterReading),
        NEVER_OLDER,
    );
}

#[test]
fn a_replace_that_finds_its_state_writes_a_row_all_the_same() {
    is_broken(
        searches::replace_reverting(Short).without(Mutant::SkippedReplaceUnrecorded),
        NEVER_OLDER,
    );
}

#[test]
fn the_number_does_not_guard_a_frozen_input() {
    is_broken(searches::replace_frozen(Short), NEVER_OLDER);
}

#[test]
fn supersede_and_upsert_compare_the_former_entries() {
    is_broken(
        searches::supersede(Short).without(Mutant::StartNotKept),
        NEVER_OLDER,
    );
    is_broken(
        searches::upsert(Short).without(Mutant::StartNotKept),
        NEVER_OLDER,
    );
}

#[test]
fn the_oid_is_compared_at_the_end_of_the_transaction() {
    let setting = searches::table_changed(Short).without(Mutant::OidNotCompared);
    is_broken(setting, NOT_ANOTHER_TABLE);
}

#[test]
fn a_part_that_spans_a_loaded_source_is_not_copied() {
    is_broken(
        searches::append(Short).without(Mutant::SpanningPartCopied),
        ROWS_ONCE,
    );
}

#[test]
fn parts_are_deleted_after_the_ledger_holds_them() {
    is_broken(
        searches::append(Short).without(Mutant::PartsDeletedEarly),
        PARTS_STAY,
    );
}

#[test]
fn a_part_that_another_run_has_deleted_is_made_again() {
    is_broken(
        searches::clean(Short).without(Mutant::PartsNotMadeAgain),
        PARTS_RETURN,
    );
    is_broken(
        searches::reverting(searches::replace_where(Short)).without(Mutant::PartsNotMadeAgain),
        PARTS_RETURN,
    );
}

/// A limit of the rule as it is: what is found loaded leaves no trace for an older reader who takes its place.
#[test]
fn supersede_and_upsert_do_not_notice_that_a_content_came_back() {
    for search in [searches::supersede, searches::upsert] {
        let setting = |skipping| Setting {
            skipping,
            ..searches::reverting(search(Short))
        };
        is_broken(setting(Skipping::BeforeReading), ZERO_IS_LOADED);
        is_broken(setting(Skipping::AfterReading), NEVER_OLDER);
    }
}

#[test]
fn they_notice_it_if_what_is_found_loaded_is_recorded_again() {
    for search in [searches::supersede, searches::upsert] {
        let setting = searches::reverting(search(Short));
        let skipping = Skipping::Recorded;
        let found = LoadProtocol::new(Setting {
            skipping,
            ..setting
        })
        .search();
        assert!(found.wrong.is_empty(), "{}", found.wrong.concat());
    }
}
