//! The emulator against Clerk's documented behaviour: its tokens read by a decoder written from the rules
//! alone, its routes asked over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets something else than it expects is to fail"
)]

mod backend;
mod binary;
mod bounds;
mod decoder;
mod dev;
mod discovery;
mod faults;
mod home_page;
mod lifecycle;
mod local_only;
mod oauth_authorize;
mod oauth_clients;
mod oauth_token;
mod oauth_userinfo;
mod opaque;
mod settings;
mod sign_in;
mod support;
mod tokens;
