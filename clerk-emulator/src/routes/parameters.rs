//! Query parameters of the Backend API. A request sends a list by repeating the name of the
//! parameter.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web;
use actix_web::{FromRequest, HttpRequest};

use crate::routes::problem::Problem;

/// Names and values in the order in which they were sent. Unknown names are ignored.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Every value of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The values of `offset` and `limit`; 0 and 10 by default.
    pub(crate) fn page(&self) -> Result<(usize, usize), Problem> {
        let offset = self.number("offset", 0, usize::MAX)?;
        let limit = self.number("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
        if limit == 0 {
            return Err(Problem::invalid_parameter("limit"));
        }
        Ok((offset, limit))
    }

    fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.all(name).first().copied() else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| *number <= max);
        number.ok_or_else(|| Problem::invalid_parameter(name))
    }
}

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let invalid = |_| Problem::invalid_parameter("query");
        ready(pairs.map(|pairs| Self(pairs.into_inner())).map_err(invalid))
    }
}

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 500;
