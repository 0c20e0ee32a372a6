//! The rules, by group. Not what runs them: see [`crate::run`].

mod agree;
mod composites;
mod contract;
mod determinism;
mod golden;
mod keys;
mod loading;
mod resources;
mod scores;
mod totality;
mod variants;

use crate::rule::Rule;

/// Every rule there is, in the order in which they are tried.
pub(crate) const TABLE: [&[Rule]; 8] = [
    loading::RULES,
    contract::RULES,
    determinism::RULES,
    totality::RULES,
    keys::RULES,
    scores::RULES,
    resources::RULES,
    golden::RULES,
];
