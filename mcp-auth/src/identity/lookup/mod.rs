//! Look-ups at the identity provider.

mod budget;
mod circuit;
mod single_flight;

pub(crate) use budget::{Budget, OverBudget, Question};
pub(crate) use circuit::Circuit;
pub(crate) use single_flight::{Abandoned, SingleFlight, Waiter};
