//! The rules, by group. Not what runs them: see [`crate::run`].

mod agree;
mod composites;
mod contract;
mod crowd;
mod decoys;
mod determinism;
mod distinct;
mod endurance;
mod equalities;
mod golden;
mod keys;
mod loading;
mod nested;
mod resources;
mod rows;
mod scores;
mod totality;
mod undeclared;
mod values;
mod variants;
mod work;

use crate::rule::Rule;

/// Every rule there is, in the order in which they are tried.
pub(crate) const TABLE: [&[Rule]; 10] = [
    loading::RULES,
    contract::RULES,
    determinism::RULES,
    totality::RULES,
    keys::RULES,
    equalities::RULES,
    // After them, since they leave to them what is declared.
    values::RULES,
    scores::RULES,
    resources::RULES,
    golden::RULES,
];
