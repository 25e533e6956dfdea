#![doc = include_str!("../../docs/testing.md")]

mod answer;
mod clock;
mod denial;
mod member;
mod request;
mod server;
mod user;

pub use self::answer::TestAnswer;
pub use self::clock::TestClock;
pub use self::denial::TestDenial;
pub use self::member::TestMember;
pub use self::request::TestRequest;
pub use self::server::TestServer;
pub use self::user::TestUser;
