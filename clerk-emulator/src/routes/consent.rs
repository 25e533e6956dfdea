//! The page of `/oauth/authorize`. A person chooses a user and an organization, and allows or
//! refuses the client.
//!
//! The form posts `ticket`, `decision` (`allow` or `refuse`) and `choice`. `choice` is a user's id. If an organization
//! was chosen, `|` and the id of the organization follow. People and organizations are one radio group, because without
//! a script a second list cannot depend on the first. [`Decision::parse`] reads the form. The caller must check that
//! the user is a member of the organization, and that the client requested an organization, because a form can contain
//! values that the page did not offer.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use crate::routes::page;

/// The content of the page: the client's request, and the people who can allow it.
#[derive(Debug)]
pub(crate) struct Consent {
    /// The name that the client gives itself. If it gives no name, the id of the client.
    pub(crate) client_name: String,
    pub(crate) client_id: String,
    /// The host and the port of the redirect URI. If the URI has no host, the whole URI.
    pub(crate) redirect_host: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) people: Vec<Person>,
    /// Whether the person also chooses an organization, or "No organization".
    pub(crate) asks_organization: bool,
    /// The ticket of one authorization request. A ticket is valid for one decision.
    pub(crate) ticket: String,
    /// The path to which the form is posted.
    pub(crate) form_action: String,
}

/// A user whom the person can choose.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) organizations: Vec<Organization>,
}

/// An organization of which a person is a member.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
}

/// The content of the posted form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) ticket: String,
    /// The chosen user. `None` if the person refused.
    pub(crate) allowed_by: Option<Choice>,
}

/// The chosen user and organization.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
}

impl Decision {
    /// Reads the fields of the form. `None` if a field is missing, sent twice or invalid.
    pub(crate) fn parse(form: &[(String, String)]) -> Option<Self> {
        let ticket = String::from(only(form, "ticket")?);
        let allowed_by = match only(form, "decision")? {
            "allow" => Some(Choice::parse(only(form, "choice")?)),
            "refuse" => None,
            _ => return None,
        };
        Some(Self { ticket, allowed_by })
    }
}

impl Choice {
    fn parse(value: &str) -> Self {
        let (user, organization) = match value.split_once('|') {
            Some((user, organization)) => (user, Some(organization)),
            None => (value, None),
        };
        Self {
            user_id: String::from(user),
            organization_id: organization.map(String::from),
        }
    }
}

/// The response with the page.
pub(crate) fn respond(consent: &Consent) -> HttpResponse {
    page::respond_with_form(page(consent))
}

/// The response with an error page. It is used if the error cannot be sent to the client.
pub(crate) fn respond_error(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    page::respond(status, error_page(title, text))
}

fn page(consent: &Consent) -> Markup {
    // `bdi` prevents a name in a right-to-left script from reordering the text after the name.
    let main = html! {
        p { bdi { strong { (consent.client_name) } } " requests access to the account of one of these users." }
        dl {
            dt { "Client" }
            dd { code { (consent.client_id) } }
            dt { "Redirects to" }
            dd { code { (consent.redirect_host) } }
            dt { "Scopes" }
            @for scope in &consent.scopes {
                dd { code { (scope) } @if let Some(meaning) = meaning(scope) { ": " (meaning) } }
            }
            @if consent.scopes.is_empty() { dd { "none" } }
        }
        form method="post" action=(consent.form_action) autocomplete="off" {
            input type="hidden" name="ticket" value=(consent.ticket);
            (people(consent))
            button type="submit" name="decision" value="allow" disabled[consent.people.is_empty()] { "Allow" }
            button type="submit" name="decision" value="refuse" formnovalidate { "Refuse" }
        }
    };
    page::document("Sign in", WARNING, &main)
}

fn error_page(title: &str, text: &str) -> Markup {
    let main = html! {
        p { (text) }
        p {
            "This error was not sent to the client. Start again in the client, or open the "
            a href="/" { "home page of this local Clerk" } "."
        }
    };
    page::document(title, WARNING, &main)
}

fn people(consent: &Consent) -> Markup {
    html! {
        fieldset {
            legend {
                @if consent.asks_organization { "Sign in as which user, in which organization?" }
                @else { "Sign in as which user?" }
            }
            @for person in &consent.people {
                @if consent.asks_organization { (person_in_organizations(person)) }
                @else { (radio(&person.user_id, &who(person))) }
            }
            @if consent.people.is_empty() { p { "The directory has no users." } }
        }
    }
}

fn person_in_organizations(person: &Person) -> Markup {
    html! {
        fieldset {
            legend { (who(person)) }
            @for organization in &person.organizations {
                @let value = format!("{}|{}", person.user_id, organization.id);
                (radio(&value, &html! { (organization.name) span.quiet { " " code { (organization.role) } } }))
            }
            (radio(&person.user_id, &html! { "No organization" }))
        }
    }
}

fn who(person: &Person) -> Markup {
    html! {
        (person.name)
        @if let Some(email) = &person.email { span.quiet { " " (email) } }
    }
}

fn radio(value: &str, label: &Markup) -> Markup {
    html! {
        label { input type="radio" name="choice" value=(value) required; span { (label) } }
    }
}

/// The explanation of one of Clerk's scopes. `None` for a custom scope.
///
/// Source: Clerk,
/// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
fn meaning(scope: &str) -> Option<&'static str> {
    let meaning = match scope {
        "openid" => "who you are, in a signed ID token",
        "profile" => "your name, username and picture",
        "email" => "your e-mail address, and whether it is verified",
        "offline_access" => "stay signed in while you are away",
        "user:org:read" => "which organization you chose: its id, name and slug",
        "public_metadata" => "your public metadata",
        "private_metadata" => "your private metadata",
        _ => return None,
    };
    Some(meaning)
}

/// The value of a field that is sent exactly once.
fn only<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = form.iter().filter(|(field, _)| field == name);
    let (_, value) = values.next()?;
    values.next().is_none().then_some(value.as_str())
}

const WARNING: &str =
    "This local Clerk lets anybody sign in as any user. Do not enter a password: none is needed.";

#[cfg(test)]
mod tests;
