//! The plans of faults that are set, how often each of their rules was met, and what fired.
//!
//! Several plans stand side by side under names, so that tests in one stack do not disturb each other.
//! Decides which fault a request or statement meets; carrying it out is `s3_proxy`'s and
//! `statement_faults`'.

use std::sync::{Mutex, MutexGuard};

use serde::Serialize;

use crate::faults::{DbFault, Operation, Rule, S3Fault, StatementKind, Target};

/// Firings kept; the oldest go first.
const KEPT: usize = 10_000;

/// A fault that was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firing {
    /// The plan's name
    pub plan: String,
    /// The rule, in canonical form
    pub rule: String,
    /// `bucket/key` of the request, or the session's application_name. Never a statement: it may hold
    /// secrets.
    pub object: String,
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
    fired: Vec<Firing>,
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
    pub fn request(&self, asked: Operation, object: &str) -> Option<S3Fault> {
        self.meet(object, |target| match target {
            Target::S3 {
                operation,
                object: glob,
                fault,
            } => {
                let is_meant = operation.is_none_or(|operation| operation == asked)
                    && glob.as_ref().is_none_or(|glob| glob.matches(object));
                is_meant.then_some(*fault)
            }
            Target::Db { .. } => None,
        })
    }

    /// The fault that statements sent as one meet, by kind and text.
    pub fn statements(&self, sent: &[(StatementKind, &str)], session_of: &str) -> Option<DbFault> {
        self.meet(session_of, |target| match target {
            Target::S3 { .. } => None,
            Target::Db {
                statement,
                text: glob,
                application,
                fault,
            } => {
                let is_meant = |(kind, text): &(StatementKind, &str)| {
                    statement.map_or(*kind != StatementKind::Connect, |one| one == *kind)
                        && glob.as_ref().is_none_or(|glob| glob.matches(text))
                };
                let from = application
                    .as_ref()
                    .is_none_or(|glob| glob.matches(session_of));
                (from && sent.iter().any(is_meant)).then(|| fault.clone())
            }
        })
    }

    /// Every rule that matches counts; of those whose turn it is the first fires.
    fn meet<T>(&self, object: &str, matched: impl Fn(&Target) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        let State { plans, fired } = &mut *state;
        let mut met = None;
        for plan in plans {
            for (rule, count) in &mut plan.rules {
                let Some(fault) = matched(&rule.target) else {
                    continue;
                };
                *count = count.saturating_add(1);
                if met.is_none() && rule.occurrence.is_due(*count) {
                    met = Some(fault);
                    if fired.len() == KEPT {
                        fired.remove(0);
                    }
                    fired.push(Firing {
                        plan: plan.name.clone(),
                        rule: rule.to_string(),
                        object: object.to_owned(),
                        occurrence: *count,
                    });
                }
            }
        }
        met
    }
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
        let met = keys.map(|key| armed.request(Operation::Put, key));
        assert_eq!(met, [None, None, Some(S3Fault::SlowDown), None]);
        assert_eq!(armed.request(Operation::Get, "b/1.parquet"), None);
        let log = armed.log(Some("p"));
        assert_eq!(log.len(), 1);
        assert_eq!(
            (
                log[0].object.as_str(),
                log[0].occurrence,
                log[0].rule.as_str()
            ),
            ("b/2.parquet", 2, "s3 put b/*.parquet 2 => slow-down")
        );
    }

    #[test]
    fn of_two_rules_the_first_fires_and_both_count() {
        let armed = armed(&[("p", "s3 put every => slow-down\ns3 put 2.. => conflict")]);
        let meet = || armed.request(Operation::Put, "b/k");
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
