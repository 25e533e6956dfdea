//! Error responses in Clerk's form.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

/// An error response: `{"errors":[{"code","message","long_message"}]}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "resource_not_found",
            format!("{what} not found"),
        )
    }

    pub(crate) fn invalid_parameter(name: &str) -> Self {
        let message = format!("`{name}` is invalid");
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "form_param_value_invalid",
            message,
        )
    }

    pub(crate) fn invalid_body(reason: &impl fmt::Display) -> Self {
        let message = format!("The request body is invalid: {reason}");
        Self::new(StatusCode::BAD_REQUEST, "request_body_invalid", message)
    }

    pub(crate) fn internal(reason: &impl fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_clerk_error",
            reason.to_string(),
        )
    }

    pub(crate) fn unprocessable(reason: &impl fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "form_param_value_invalid",
            reason.to_string(),
        )
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        HttpResponse::build(self.status).json(self.to_json())
    }

    fn to_json(&self) -> Value {
        json!({
            "errors": [{
                "code": self.code,
                "message": self.message,
                "long_message": self.message,
            }],
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(self.to_json())
    }
}
