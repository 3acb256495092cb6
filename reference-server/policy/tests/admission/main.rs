//! The admission policies, each for itself, and in front of a simulated server that is offered more than it can do.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

mod controlled_delay;
mod fairness;
mod gradient_limit;
mod priority_levels;
mod simulation;
