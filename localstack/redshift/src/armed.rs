//! The plans of faults that are set, how often each of their rules was met, and what fired or was noted.
//!
//! Several plans stand side by side under names, so that tests in one stack do not disturb each other.
//! Decides which fault a request or statement meets; carrying it out is `s3_proxy`'s and
//! `statement_faults`'.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;

use crate::faults::{DbFault, Operation, Rule, S3Fault, StatementKind, Target};

/// Firings kept; the oldest go first.
const KEPT: usize = 10_000;

/// A fault that was met, or what was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firing {
    /// The plan's name
    pub plan: String,
    /// The rule, in canonical form
    pub rule: String,
    /// Operation of the request or kind of the statement; of several sent as one, the last. Never a statement: it may
    /// hold secrets.
    pub what: String,
    /// `bucket/key` of the request; empty for a statement
    pub object: String,
    /// What the client calls itself
    pub by: String,
    /// Which match of the rule it was, from one
    pub occurrence: u32,
}

/// All plans that are set. Empty at first.
#[derive(Debug, Default)]
pub struct Armed {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plans: Vec<Plan>,
    fired: VecDeque<Firing>,
}

#[derive(Debug)]
struct Plan {
    name: String,
    /// Each with the number of its matches so far.
    rules: Vec<(Rule, u32)>,
}

impl Armed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Sets a plan in place of the former one of that name; its counts begin again.
    pub fn set(&self, name: &str, rules: Vec<Rule>) {
        let mut state = self.state();
        state.plans.retain(|plan| plan.name != name);
        state.plans.push(Plan {
            name: name.to_owned(),
            rules: rules.into_iter().map(|rule| (rule, 0)).collect(),
        });
    }

    /// Takes a plan away, or all. What fired stays known until then.
    pub fn clear(&self, name: Option<&str>) {
        let mut state = self.state();
        state
            .plans
            .retain(|plan| name.is_some_and(|name| plan.name != name));
        state
            .fired
            .retain(|firing| name.is_some_and(|name| firing.plan != name));
    }

    /// What fired, of one plan or of all, oldest first.
    pub fn log(&self, name: Option<&str>) -> Vec<Firing> {
        let state = self.state();
        let asked = |firing: &&Firing| name.is_none_or(|name| firing.plan == name);
        state.fired.iter().filter(asked).cloned().collect()
    }

    /// The fault that a request to the S3 meets. `object` is `bucket/key`.
    pub fn request(&self, asked: Operation, object: &str, client: &str) -> Option<S3Fault> {
        let met = Met {
            what: &asked,
            object,
            by: client,
        };
        self.meet(met, |target| match target {
            Target::S3 {
                operation,
                object: glob,
                application,
                fault,
            } => {
                let is_meant = operation.is_none_or(|operation| operation == asked)
                    && glob.as_ref().is_none_or(|glob| glob.matches(object))
                    && application.as_ref().is_none_or(|glob| glob.matches(client));
                is_meant.then_some(*fault)
            }
            Target::Db { .. } => None,
        })
    }

    /// The fault that statements sent as one meet, by kind and text.
    pub fn statements(&self, sent: &[(StatementKind, &str)], session_of: &str) -> Option<DbFault> {
        let (what, _) = sent.last()?;
        let met = Met {
            what,
            object: "",
            by: session_of,
        };
        self.meet(met, |target| match target {
            Target::S3 { .. } => None,
            Target::Db {
                statement,
                text: glob,
                application,
                fault,
            } => {
                let is_meant = |(kind, text): &(StatementKind, &str)| {
                    statement.map_or(is_statement(*kind), |one| one == *kind)
                        && glob.as_ref().is_none_or(|glob| glob.matches(text))
                };
                let from = application
                    .as_ref()
                    .is_none_or(|glob| glob.matches(session_of));
                (from && sent.iter().any(is_meant)).then(|| fault.clone())
            }
        })
    }

    /// Every rule that matches counts; of those whose turn it is the first that has a fault fires, and all that note do.
    fn meet<T>(&self, met: Met<'_>, matched: impl Fn(&Target) -> Option<Option<T>>) -> Option<T> {
        let mut state = self.state();
        let State { plans, fired } = &mut *state;
        let mut first = None;
        for plan in plans {
            for (rule, count) in &mut plan.rules {
                let Some(fault) = matched(&rule.target) else {
                    continue;
                };
                *count = count.saturating_add(1);
                let is_too_late = fault.is_some() && first.is_some();
                if is_too_late || !rule.occurrence.is_due(*count) {
                    continue;
                }
                first = first.or(fault);
                if fired.len() == KEPT {
                    fired.pop_front();
                }
                fired.push_back(Firing {
                    plan: plan.name.clone(),
                    rule: rule.to_string(),
                    what: met.what.to_string(),
                    object: met.object.to_owned(),
                    by: met.by.to_owned(),
                    occurrence: *count,
                });
            }
        }
        first
    }
}

/// A request or a statement, as the log tells of it.
struct Met<'a> {
    what: &'a dyn fmt::Display,
    object: &'a str,
    by: &'a str,
}

/// What `any` means: neither the start of a session nor what is only prepared.
fn is_statement(kind: StatementKind) -> bool {
    !matches!(kind, StatementKind::Connect | StatementKind::Prepare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    fn armed(plans: &[(&str, &str)]) -> Armed {
        let armed = Armed::default();
        for (name, text) in plans {
            armed.set(name, faults::parse(text).unwrap());
        }
        armed
    }

    #[test]
    fn a_rule_fires_when_its_turn_comes_and_is_known_afterwards() {
        let armed = armed(&[("p", "s3 put b/*.parquet 2 => slow-down")]);
        let keys = ["b/1.parquet", "b/1.manifest", "b/2.parquet", "b/3.parquet"];
        let met = keys.map(|key| armed.request(Operation::Put, key, "mine"));
        assert_eq!(met, [None, None, Some(S3Fault::SlowDown), None]);
        assert_eq!(armed.request(Operation::Get, "b/1.parquet", "mine"), None);
        let log = armed.log(Some("p"));
        assert_eq!(log.len(), 1);
        assert_eq!(
            log[0],
            Firing {
                plan: "p".into(),
                rule: "s3 put b/*.parquet 2 => slow-down".into(),
                what: "put".into(),
                object: "b/2.parquet".into(),
                by: "mine".into(),
                occurrence: 2,
            }
        );
    }

    #[test]
    fn what_is_noted_goes_on_to_meet_its_fault() {
        let armed = armed(&[
            (
                "notes",
                "db any app=mine every => note\ns3 any app=mine every => note",
            ),
            ("faults", "db commit => before\ns3 put => conflict"),
        ]);
        let put = |client| armed.request(Operation::Put, "b/k", client);
        assert_eq!(put("mine"), Some(S3Fault::Conflict));
        assert_eq!((put("mine"), put("theirs")), (None, None));
        let sent = |kind| armed.statements(&[(kind, "")], "mine");
        assert_eq!(sent(StatementKind::Connect), None);
        assert_eq!(sent(StatementKind::Prepare), None);
        assert_eq!(sent(StatementKind::Commit), Some(DbFault::Before));
        let noted: Vec<String> = armed
            .log(Some("notes"))
            .into_iter()
            .map(|one| one.what)
            .collect();
        assert_eq!(
            noted,
            ["put", "put", "commit"],
            "neither connect nor prepare is any"
        );
    }

    #[test]
    fn of_two_rules_the_first_fires_and_both_count() {
        let armed = armed(&[("p", "s3 put every => slow-down\ns3 put 2.. => conflict")]);
        let meet = || armed.request(Operation::Put, "b/k", "");
        assert_eq!(
            (meet(), meet()),
            (Some(S3Fault::SlowDown), Some(S3Fault::SlowDown))
        );
        armed.set(
            "p",
            faults::parse("s3 put 2 => slow-down\ns3 put 2.. => conflict").unwrap(),
        );
        assert_eq!(
            (meet(), meet(), meet()),
            (None, Some(S3Fault::SlowDown), Some(S3Fault::Conflict))
        );
    }

    #[test]
    fn plans_stand_side_by_side_and_go_by_name() {
        let armed = armed(&[
            ("one", "db commit app=one => before"),
            ("two", "db commit app=two every => after"),
        ]);
        let commit = |name| armed.statements(&[(StatementKind::Commit, "commit")], name);
        assert_eq!(commit("three"), None);
        assert_eq!(commit("one"), Some(DbFault::Before));
        assert_eq!(commit("two"), Some(DbFault::After));
        armed.clear(Some("two"));
        assert_eq!(commit("two"), None);
        assert_eq!(
            armed.log(None).len(),
            1,
            "what the other fired is gone with it"
        );
        armed.set("one", faults::parse("db commit app=one => before").unwrap());
        assert_eq!(commit("one"), Some(DbFault::Before), "counts begin again");
        armed.clear(None);
        assert_eq!((commit("one"), armed.log(None)), (None, vec![]));
    }

    #[test]
    fn statements_sent_together_are_met_by_any_of_them() {
        let armed = armed(&[(
            "p",
            "db insert *ledger* every => before\ndb any every => after",
        )]);
        let meet = |sent: &[(StatementKind, &str)]| armed.statements(sent, "");
        let begin = (StatementKind::Begin, "begin");
        assert_eq!(
            meet(&[begin, (StatementKind::Insert, "insert into ledger")]),
            Some(DbFault::Before)
        );
        assert_eq!(
            meet(&[begin, (StatementKind::Insert, "insert into t")]),
            Some(DbFault::After)
        );
        assert_eq!(
            meet(&[(StatementKind::Connect, "")]),
            None,
            "any is any statement"
        );
    }
}
