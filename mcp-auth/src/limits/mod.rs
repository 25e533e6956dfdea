//! Limits: how much of the server one network, one caller and everybody together may take.
//!
//! This module names no token, no request and no tool. The layers above it say what is counted and what a
//! refusal looks like.

mod network;
mod nohash;
mod pool;
mod queue;
mod share;
mod windows;

pub(crate) use network::{Network, Networks, NotANetwork, Site, is_private};
pub(crate) use nohash::BuildNoHash;
pub(crate) use pool::{Exhausted, Pool, Taken};
pub(crate) use queue::{Place, Queue};
pub(crate) use share::{Party, Shares};
pub(crate) use windows::{Key, Limit, Refused, Windows};
