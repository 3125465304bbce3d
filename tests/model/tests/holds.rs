//! The protocol holds: in every history of the short searches no property is broken.

use load_model::LoadProtocol;
use load_model::searches::{self, Size::Short};
use load_model::setting::Setting;

fn holds(setting: Setting) {
    let name = setting.name;
    let found = LoadProtocol::new(setting).search();
    assert!(found.wrong.is_empty(), "{name}\n{}", found.wrong.concat());
}

#[test]
fn append_loads_each_source_once() {
    holds(searches::append(Short));
    holds(searches::serializable(Short));
}

#[test]
fn append_refuses_another_content_of_a_name() {
    holds(searches::append_error(Short));
}

#[test]
fn append_loads_both_contents_of_a_name_where_that_is_asked_for() {
    holds(searches::append_append(Short));
}

#[test]
fn supersede_leaves_the_newer_content() {
    holds(searches::supersede(Short));
}

#[test]
fn keep_leaves_the_first_content() {
    holds(searches::keep(Short));
}

#[test]
fn replace_leaves_the_newest_state() {
    holds(searches::replace(Short));
    holds(searches::replace_reverting(Short));
}

#[test]
fn replace_with_a_version_leaves_the_greatest() {
    holds(searches::replace_version(Short));
}

#[test]
fn replace_where_leaves_the_newest_state_of_a_literal() {
    holds(searches::replace_where(Short));
}

#[test]
fn upsert_leaves_a_row_for_each_key() {
    holds(searches::upsert(Short));
}

#[test]
fn upsert_with_an_order_leaves_the_greatest_row() {
    holds(searches::upsert_ordered(Short));
}

#[test]
fn forget_leaves_neither_rows_nor_current_entries() {
    holds(searches::forget(Short));
}

#[test]
fn a_table_that_changed_hands_is_refused() {
    holds(searches::table_changed(Short));
}

#[test]
fn reload_loads_again_what_is_gone_and_nothing_else() {
    holds(searches::reload_made_anew(Short));
    holds(searches::reload_emptied(Short));
}

#[test]
fn parts_that_are_cleaned_away_are_made_again() {
    holds(searches::clean(Short));
}
