//! `authorize`: the application's own function, which decides after the guard.
//!
//! INVARIANT: a tool, a prompt or a resource returns a result only as a [`Ran`], and only a [`Permit`] makes a `Ran`
//! from the output of the function. The generated code must get a `Permit` before it calls the function. Only this
//! module makes a `Permit`, after the declared `authorize` function allowed the call.

use std::fmt;
use std::future::ready;
use std::marker::PhantomData;

use crate::guard::{Denied, Guard};

use super::confirm::{Ask, confirm};
use super::context::Context;
use super::error::ToolError;
use super::outcome::Failure;
use super::tool_result::IntoToolError;

/// The `authorize = owns(document_id, org, db)` of a primitive, as text.
#[derive(Clone, Copy, Debug)]
pub struct Authorize {
    /// The call as written in the attribute.
    pub rule: &'static str,
    /// The arguments that the `authorize` function takes, by the names that clients know.
    pub arguments: &'static [&'static str],
}

/// The guard of a primitive, and the `authorize` function that runs after the guard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessRule {
    pub(crate) guard: Guard,
    /// The `authorize` of the primitive, as written in the attribute.
    pub(crate) rule: Option<&'static str>,
    /// True if a person must confirm each call.
    pub(crate) confirms: bool,
    /// True if a client that cannot ask a person confirms a call with a code.
    pub(crate) takes_code: bool,
}

impl AccessRule {
    /// Returns the decisions that follow the guard, in words.
    pub(crate) fn after_guard(&self) -> Vec<String> {
        let rule = self
            .rule
            .map(|rule| format!("authorize {rule} decides, with the arguments"));
        let confirms = self
            .confirms
            .then(|| "a person must confirm the call".to_owned());
        rule.into_iter().chain(confirms).collect()
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.guard)?;
        if let Some(rule) = self.rule {
            write!(f, ", authorize {rule}")?;
        }
        if self.confirms {
            f.write_str(", confirmed by the user")?;
        }
        if self.takes_code {
            f.write_str(" or with a code")?;
        }
        Ok(())
    }
}

/// The step that runs the `authorize` function. It comes after the parameters are injected, and before the body runs.
/// `S` says whether a person must confirm the call after this step.
#[derive(Debug)]
pub struct AuthorizeGate<S = Final> {
    declared: Option<Authorize>,
    confirms: bool,
    /// True if the call ends after this step, and the body does not run.
    only_asks: bool,
    stage: PhantomData<S>,
}

/// The permission to run the body of a function once. When a person confirms the call, a `Permit<Unconfirmed>` becomes
/// a `Permit<Final>`.
#[derive(Debug)]
pub struct Permit<S = Final>(PhantomData<S>);

/// Marks a permit with which the body can run.
#[derive(Debug)]
pub struct Final(());

/// Marks a permit for a call that a person must still confirm.
#[derive(Debug)]
pub struct Unconfirmed(());

/// Says whether a person must confirm the call after a step.
pub trait Stage: Send + 'static {
    /// True if a person must confirm the call.
    const CONFIRMS: bool;
}

impl Stage for Final {
    const CONFIRMS: bool = false;
}

impl Stage for Unconfirmed {
    const CONFIRMS: bool = true;
}

/// The value that the body of a function returned.
#[derive(Debug)]
pub struct Ran<T>(pub(super) T);

/// The reason why the body of a function did not run.
#[derive(Debug)]
pub struct Stop(pub(super) Failure);

impl AuthorizeGate {
    pub(super) const fn new(declared: Option<Authorize>, confirms: bool) -> Self {
        Self {
            declared,
            confirms,
            only_asks: false,
            stage: PhantomData,
        }
    }

    /// Makes a gate that never permits the body. If the guard and `authorize` allow the call, the call ends with
    /// [`Failure::Allowed`].
    pub(super) const fn asking(declared: Option<Authorize>, confirms: bool) -> Self {
        Self {
            declared,
            confirms,
            only_asks: true,
            stage: PhantomData,
        }
    }

    /// Returns the step for a function whose attribute has a `confirm`.
    ///
    /// # Errors
    ///
    /// - The attribute has no `confirm`.
    pub fn before_confirmation(self) -> Result<AuthorizeGate<Unconfirmed>, Stop> {
        if !self.confirms {
            return Err(differs());
        }
        Ok(AuthorizeGate {
            declared: self.declared,
            confirms: true,
            only_asks: self.only_asks,
            stage: PhantomData,
        })
    }
}

impl<S: Stage> AuthorizeGate<S> {
    /// Permits the body of a function whose attribute has no `authorize`.
    ///
    /// # Errors
    ///
    /// - The attribute has an `authorize`.
    /// - The attribute has a `confirm`, and this step is not the step before the question.
    pub fn none(self) -> Result<Permit<S>, Stop> {
        if self.declared.is_some() || self.confirms != S::CONFIRMS {
            return Err(differs());
        }
        if self.only_asks {
            return Err(Stop(Failure::Allowed));
        }
        // PROOF: the guard allowed the call, and the attribute has no `authorize`. If the attribute has a `confirm`,
        // the permit is still unconfirmed.
        Ok(Permit(PhantomData))
    }

    /// Permits the body of a function whose attribute has an `authorize`, if the `authorize` function
    /// allows the call.
    ///
    /// # Errors
    ///
    /// - A denial if the function returned `false`.
    /// - The function's own error.
    /// - The attribute has a `confirm`, and this step is not the step before the question.
    // The signature states `Send`. If rustc inferred it from the body, with the lifetimes of `V` erased, it would
    // not know that a `Box<dyn Error>` is `'static`.
    pub fn authorize<M, V: Decide<M>>(
        self,
        verdict: V,
    ) -> impl Future<Output = Result<Permit<S>, Stop>> + Send + use<M, V, S> {
        let allowed = verdict.decide();
        async move {
            let Some(declared) = self.declared.filter(|_| self.confirms == S::CONFIRMS) else {
                return Err(differs());
            };
            if allowed.await? {
                if self.only_asks {
                    return Err(Stop(Failure::Allowed));
                }
                // PROOF: the guard and the `authorize` function allowed the call. If the attribute has a `confirm`, the
                // permit is still unconfirmed.
                Ok(Permit(PhantomData))
            } else {
                let Authorize { rule, arguments } = declared;
                Err(Stop(Failure::Denied(Denied::Authorize { rule, arguments })))
            }
        }
    }
}

impl Permit {
    /// Marks the output of a function that ran. A generic future around the function would be compiled for each
    /// function, so this method only wraps the output.
    pub fn ran<T>(self, output: T) -> Ran<T> {
        Ran(output)
    }
}

impl Permit<Unconfirmed> {
    /// Asks the person at the client, and permits the body if the person agrees.
    ///
    /// # Errors
    ///
    /// - The person declined, or closed the question.
    /// - The question's own error.
    pub fn confirm<M, Q: Ask<M>>(
        self,
        cx: &Context,
        question: Q,
    ) -> impl Future<Output = Result<Permit, Stop>> + Send + use<'_, M, Q> {
        let question = question.question();
        async move {
            confirm(cx, question.await?).await?;
            // PROOF: the guard and the `authorize` function, if there is one, allowed the call, and the person confirmed
            // it.
            Ok(Permit(PhantomData))
        }
    }
}

impl From<ToolError> for Stop {
    fn from(error: ToolError) -> Self {
        Self(Failure::Error(error))
    }
}

/// The types that a function in `authorize` may return: `bool`, a `Result` of a `bool`, or a future
/// of one of these.
///
/// The compiler infers `M`, which distinguishes the implementations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a call is allowed",
    label = "must be `bool`, `Result<bool, _>`, or a future of one of these",
    note = "a function in `authorize` is `async fn owns(…) -> Result<bool, ToolError>`, or simpler"
)]
pub trait Decide<M> {
    /// Returns true if the call is allowed.
    fn decide(self) -> impl Future<Output = Result<bool, ToolError>> + Send + use<Self, M>;
}

/// A decision that is available at once: a `bool`, or a `Result` of a `bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a call is allowed",
    label = "must return `bool` or `Result<bool, _>`",
    note = "a function in `authorize` is `async fn owns(…) -> Result<bool, ToolError>`, or simpler"
)]
pub trait IntoDecision {
    /// Returns true if the call is allowed.
    ///
    /// # Errors
    ///
    /// - The function's own error.
    fn into_decision(self) -> Result<bool, ToolError>;
}

impl IntoDecision for bool {
    fn into_decision(self) -> Result<Self, ToolError> {
        Ok(self)
    }
}

impl<E: IntoToolError> IntoDecision for Result<bool, E> {
    fn into_decision(self) -> Result<bool, ToolError> {
        self.map_err(IntoToolError::into_tool_error)
    }
}

impl Decide<Immediate> for bool {
    fn decide(self) -> impl Future<Output = Result<Self, ToolError>> + Send + use<> {
        ready(self.into_decision())
    }
}

impl<E: IntoToolError> Decide<Immediate> for Result<bool, E> {
    fn decide(self) -> impl Future<Output = Result<bool, ToolError>> + Send + use<E> {
        ready(self.into_decision())
    }
}

impl<F: Future<Output: IntoDecision> + Send> Decide<Deferred> for F {
    async fn decide(self) -> Result<bool, ToolError> {
        self.await.into_decision()
    }
}

/// Marks a decision that is available at once.
#[derive(Debug)]
pub struct Immediate(());

/// Marks a decision that is a future.
#[derive(Debug)]
pub struct Deferred(());

/// The error of a primitive whose generated code does not match its declaration, which would be a
/// bug in the macro.
fn differs() -> Stop {
    ToolError::from("the generated code of a tool does not match its `authorize` and `confirm`")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::block_on;

    const OWNS: Option<Authorize> = Some(Authorize {
        rule: "owns(id, org)",
        arguments: &["id"],
    });

    fn outcome(permit: Result<Permit, Stop>) -> String {
        match permit {
            Ok(Permit(_)) => "permit".to_owned(),
            Err(Stop(Failure::Denied(denied))) => denied.to_string(),
            Err(Stop(Failure::Error(error))) => error.to_string(),
            Err(Stop(other)) => format!("{other:?}"),
        }
    }

    fn asked<M>(verdict: impl Decide<M>) -> String {
        outcome(block_on(AuthorizeGate::new(OWNS, false).authorize(verdict)))
    }

    #[test]
    fn every_form_of_a_verdict_is_understood() {
        let refused = "Forbidden: not allowed for this id";
        let io = || std::io::Error::other("disk on fire");
        assert_eq!(asked(true), "permit");
        assert_eq!(asked(false), refused);
        assert_eq!(asked(Ok::<_, ToolError>(true)), "permit");
        assert_eq!(asked(Ok::<_, ToolError>(false)), refused);
        assert_eq!(asked(Err(ToolError::new("Gone"))), "Gone");
        assert_eq!(asked(Err(io())), "Internal error");
        assert_eq!(asked(ready(true)), "permit");
        assert_eq!(asked(ready(false)), refused);
        assert_eq!(asked(ready(Ok::<_, ToolError>(true))), "permit");
        assert_eq!(asked(ready(Ok::<_, ToolError>(false))), refused);
        assert_eq!(asked(ready(Err(ToolError::new("Gone")))), "Gone");
        assert_eq!(asked(ready(Err(io()))), "Internal error");
    }

    #[test]
    fn a_gate_that_only_asks_permits_nothing() {
        let asked = |verdict: bool| block_on(AuthorizeGate::asking(OWNS, false).authorize(verdict));
        assert_eq!(outcome(asked(true)), "Allowed");
        assert_eq!(outcome(asked(false)), "Forbidden: not allowed for this id");
        assert_eq!(
            outcome(AuthorizeGate::asking(None, false).none()),
            "Allowed"
        );
    }

    #[test]
    fn a_step_that_is_not_the_declared_one_permits_nothing() {
        assert_eq!(outcome(AuthorizeGate::new(None, false).none()), "permit");
        assert_eq!(
            outcome(AuthorizeGate::new(OWNS, false).none()),
            "Internal error"
        );
        let undeclared = block_on(AuthorizeGate::new(None, false).authorize(true));
        assert_eq!(outcome(undeclared), "Internal error");
    }
}
