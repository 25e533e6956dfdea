//! Limits how much of the server a network, a caller and all callers together may use.
//!
//! This module does not depend on tokens, requests or tools. The layers above decide what is
//! counted and how a refusal looks.

mod network;
mod nohash;
mod pool;
mod queue;
mod share;
mod windows;

pub(crate) use network::{Network, Networks, Site, is_private};
pub(crate) use nohash::NoHashMap;
pub(crate) use pool::{Exhausted, Pool, Taken, UNCOUNTED};
pub(crate) use queue::{Place, Queue};
pub(crate) use share::{Party, Shares};
pub(crate) use windows::{Key, Limit, OverLimit, Windows};
