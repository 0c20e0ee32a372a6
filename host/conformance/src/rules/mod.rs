//! The rules, by group. Not what runs them: see [`crate::run`].

mod agree;
mod composites;
mod contract;
mod determinism;
mod equalities;
mod golden;
mod keys;
mod loading;
mod resources;
mod scores;
mod totality;
mod variants;

use crate::rule::Rule;

/// Every rule there is, in the order in which they are tried.
pub(crate) const TABLE: [&[Rule]; 9] = [
    loading::RULES,
    contract::RULES,
    determinism::RULES,
    totality::RULES,
    keys::RULES,
    equalities::RULES,
    scores::RULES,
    resources::RULES,
    golden::RULES,
];
