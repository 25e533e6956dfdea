#![doc = include_str!("../../docs/testing.md")]

mod answer;
mod asked;
mod builder;
mod callers;
mod clerk;
mod clock;
mod credentials;
mod denial;
mod explain;
mod incidents;
mod member;
mod messages;
mod primitives;
mod questions;
mod request;
mod server;
mod subscription;
mod tasks;
mod user;

pub use self::answer::TestAnswer;
pub use self::clock::TestClock;
pub use self::denial::TestDenial;
pub use self::member::TestMember;
pub use self::request::TestRequest;
pub use self::server::TestServer;
pub use self::subscription::TestSubscription;
pub use self::user::TestUser;
