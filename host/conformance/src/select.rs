//! Which rules are run: by level, by id, by group. Not how they are run.

use crate::rule::{Group, Level, Rule};
use crate::rules::TABLE;

/// All rules, in the order in which they are run.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLE.iter().flat_map(|group| group.iter())
}

/// A name that is neither a rule's nor a group's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no rule and no group {name:?}: groups are {}, and `plugin conformance --list` prints the rules",
    groups()
)]
pub struct UnknownRule {
    /// The name.
    pub name: String,
}

fn groups() -> String {
    Group::ALL.map(Group::name).join(", ")
}

/// The rules with these names: ids (`C2`) or groups (`contract`), in any case; without names all rules of the level.
/// What is named is run whatever its level.
///
/// # Errors
/// A name is neither.
pub fn select(names: &[String], level: Level) -> Result<Vec<&'static Rule>, UnknownRule> {
    let means =
        |name: &str, rule: &Rule| rule.id.eq_ignore_ascii_case(name) || rule.group.name().eq_ignore_ascii_case(name);
    if let Some(name) = names.iter().find(|name| !rules().any(|rule| means(name, rule))) {
        return Err(UnknownRule { name: name.clone() });
    }
    let wanted = |rule: &&'static Rule| match names {
        [] => rule.level <= level,
        names => names.iter().any(|name| means(name, rule)),
    };
    Ok(rules().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str], level: Level) -> Vec<&'static str> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        select(&names, level).unwrap().iter().map(|rule| rule.id).collect()
    }

    #[test]
    fn rules_are_named_by_id_or_group() {
        assert_eq!(ids(&["c2", "L1"], Level::Required), ["L1", "C2"]);
        assert!(ids(&["contract"], Level::Strict).iter().all(|id| id.starts_with('C')));
        let wrong = select(&["C2".to_owned(), "Z9".to_owned()], Level::Strict).unwrap_err();
        assert!(wrong.to_string().contains("\"Z9\"") && wrong.to_string().contains("determinism"), "{wrong}");
    }

    #[test]
    fn levels_add_up() {
        let (required, strict) = (ids(&[], Level::Required), ids(&[], Level::Strict));
        assert_eq!(strict.len(), rules().count());
        assert!(required.len() < strict.len() && required.iter().all(|id| strict.contains(id)));
    }

    #[test]
    fn ids_are_unique_and_start_with_the_letter_of_their_group() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            assert!(rule.id.get(..1) == rule.group.name().to_uppercase().get(..1), "{}", rule.id);
            assert!(rule.id.get(1..).unwrap().parse::<u32>().is_ok(), "{}", rule.id);
            assert!(rule.sentence.ends_with('.') && rule.reason.ends_with('.'), "{}", rule.id);
            for id in rule.follows {
                assert!(seen.contains(id), "{} follows {id}, which does not come before it", rule.id);
            }
        }
    }
}
