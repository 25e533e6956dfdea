//! Limits: how much of the server one network, one caller and everybody together may take.
//!
//! This module names no token, no request and no tool. The layers above it say what is counted and what a
//! refusal looks like.

mod network;
mod pool;
mod prehashed;
mod queue;
mod share;
mod windows;

pub(crate) use network::Network;
pub(crate) use network::Networks;
pub(crate) use network::NotANetwork;
pub(crate) use network::Site;
pub(crate) use network::is_private;
pub(crate) use pool::Exhausted;
pub(crate) use pool::Pool;
pub(crate) use pool::Taken;
pub(crate) use prehashed::BuildPrehashed;
pub(crate) use queue::Place;
pub(crate) use queue::Queue;
pub(crate) use share::Party;
pub(crate) use share::Shares;
pub(crate) use windows::Key;
pub(crate) use windows::Limit;
pub(crate) use windows::Refused;
pub(crate) use windows::Windows;
