//! Compares the emulator with Clerk's documented behaviour. The tokens are decoded by an
//! independent decoder, and the routes are requested over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
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
