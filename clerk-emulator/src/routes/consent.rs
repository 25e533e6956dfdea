//! The page of `/oauth/authorize`. A person chooses a user and an organization, and allows or
//! refuses the client.
//!
//! The form posts `ticket`, `decision` (`allow` or `refuse`) and `choice`: a user's id, and after
//! `|` an organization's id if one was chosen. People and organizations are one radio group,
//! because without a script a second list cannot depend on the first. [`Decision::parse`] reads the
//! form. The caller must check that the user is a member of the organization and that the client
//! requested one, because a form can send values that the page did not offer.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use crate::routes::page;

/// The content of the page: the client's request, and the people who can allow it.
#[derive(Debug)]
pub(crate) struct Consent {
    /// The client's own name for itself; its id if it gives no name.
    pub(crate) client_name: String,
    pub(crate) client_id: String,
    /// The host and the port of the redirect URI; the whole URI if it has no host.
    pub(crate) redirect_host: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) people: Vec<Person>,
    /// Whether the person also chooses an organization, or "No organization".
    pub(crate) asks_organization: bool,
    /// Belongs to one authorization request, and can be used for one decision.
    pub(crate) ticket: String,
    /// The path that the form posts to.
    pub(crate) form_action: String,
}

/// A user that can be chosen.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) organizations: Vec<Organization>,
}

/// An organization that a person is a member of.
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
    /// The chosen user; `None` if the person refused.
    pub(crate) allowed_by: Option<Choice>,
}

/// The chosen user and organization.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
}

impl Decision {
    /// Reads the fields of the form; `None` if a field is missing, sent twice or invalid.
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

/// The response with an error page, for a request whose error cannot be sent to its client.
pub(crate) fn respond_error(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    page::respond(status, error_page(title, text))
}

fn page(consent: &Consent) -> Markup {
    // `bdi` keeps a name in a right-to-left script from reordering the text after it.
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

/// The explanation of one of Clerk's scopes; `None` for a custom scope.
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
mod tests {
    use actix_web::http::header;

    use super::*;

    #[test]
    fn a_form_is_read_as_a_choice_or_a_refusal() {
        let form = |fields: &[(&str, &str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()));
            Decision::parse(&fields.collect::<Vec<_>>())
        };
        let allowed = |user: &str, organization: Option<&str>| {
            let (user_id, organization_id) = (user.into(), organization.map(String::from));
            let allowed_by = Some(Choice {
                user_id,
                organization_id,
            });
            Some(Decision {
                ticket: "t".into(),
                allowed_by,
            })
        };
        let (ticket, allow) = (("ticket", "t"), ("decision", "allow"));
        assert_eq!(
            form(&[ticket, ("choice", "user_ada|org_acme"), allow]),
            allowed("user_ada", Some("org_acme"))
        );
        assert_eq!(
            form(&[ticket, ("choice", "user_ada"), allow]),
            allowed("user_ada", None)
        );
        let refused = Some(Decision {
            ticket: "t".into(),
            allowed_by: None,
        });
        assert_eq!(form(&[ticket, ("decision", "refuse")]), refused);
        assert_eq!(
            form(&[ticket, ("choice", "user_ada"), ("decision", "refuse")]),
            refused
        );
    }

    #[test]
    fn a_form_that_the_page_cannot_send_is_refused() {
        let (ticket, choice, allow) = (
            ("ticket", "t"),
            ("choice", "user_ada"),
            ("decision", "allow"),
        );
        for fields in [
            &[][..],
            &[ticket, choice],
            &[ticket, allow],
            &[choice, allow],
            &[ticket, choice, ("decision", "Allow")],
            &[ticket, choice, ("decision", "")],
            &[ticket, choice, allow, ("decision", "refuse")],
            &[ticket, choice, allow, ("choice", "user_grace")],
            &[ticket, choice, allow, ("ticket", "u")],
        ] {
            let form: Vec<_> = fields
                .iter()
                .map(|(name, value)| (String::from(*name), String::from(*value)))
                .collect();
            assert_eq!(Decision::parse(&form), None, "{fields:?}");
        }
    }

    #[test]
    fn the_page_shows_the_client_the_scopes_and_the_redirect_host() {
        let page = page(&consent()).into_string();
        for text in [
            "Development only",
            "none is needed",
            "<strong>The Inspector</strong>",
            "<code>client_1</code>",
            "<code>localhost:6274</code>",
            "<code>email</code>: your e-mail address",
            "<dd><code>documents:write</code></dd>",
            r#"action="/oauth/authorize/decision""#,
            r#"<input type="hidden" name="ticket" value="t-1">"#,
            "<legend>Ada",
            r#"value="user_ada|org_acme""#,
            r#"value="user_ada""#,
        ] {
            assert!(page.contains(text), "no {text} in {page}");
        }
        assert_eq!(page.matches(r#"type="radio""#).count(), 3);
        assert_eq!(page.matches("<form").count(), 1);
        assert!(!page.contains(" disabled"));
    }

    #[test]
    fn organizations_are_offered_only_if_the_client_requests_one() {
        let page = page(&Consent {
            asks_organization: false,
            ..consent()
        })
        .into_string();
        assert_eq!(page.matches(r#"type="radio""#).count(), 2);
        assert!(!page.contains("org_acme") && !page.contains("o organization"));
    }

    #[test]
    fn without_users_allow_is_disabled_and_refuse_is_not() {
        let page = page(&Consent {
            people: Vec::new(),
            ..consent()
        })
        .into_string();
        assert!(page.contains("no users"));
        assert!(page.contains(r#"value="allow" disabled>"#));
        assert!(page.contains(r#"value="refuse" formnovalidate>"#));
    }

    #[test]
    fn markup_in_a_clients_metadata_is_escaped() {
        let evil = String::from(r#""><script>alert(1)</script><form action=//evil.example>"#);
        let page = page(&Consent {
            client_name: evil.clone(),
            client_id: evil.clone(),
            redirect_host: evil.clone(),
            scopes: vec![evil.clone()],
            people: vec![Person {
                user_id: evil.clone(),
                name: evil.clone(),
                email: Some(evil.clone()),
                organizations: vec![Organization {
                    id: evil.clone(),
                    name: evil.clone(),
                    role: evil.clone(),
                }],
            }],
            asks_organization: true,
            ticket: evil.clone(),
            form_action: evil,
        });
        let page = page.into_string();
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("<form").count(), 1, "{page}");
        let error = error_page("<script>", "<form>").into_string();
        assert!(
            !error.contains("<script") && !error.contains("<form"),
            "{error}"
        );
    }

    #[test]
    fn pages_allow_no_script_no_frame_and_no_cache() {
        let sent = respond(&consent());
        let error = respond_error(StatusCode::BAD_REQUEST, "No", "Not so");
        assert_eq!(
            (sent.status().as_u16(), error.status().as_u16()),
            (200, 400)
        );
        for response in [&sent, &error] {
            let header = |name: header::HeaderName| response.headers().get(name).unwrap().clone();
            assert_eq!(header(header::CACHE_CONTROL), "no-store");
            let policy = header(header::CONTENT_SECURITY_POLICY);
            let policy = policy.to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
            assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"));
        }
        for (response, policy) in [(sent, "same-origin"), (error, "no-referrer")] {
            let header = response.headers().get(header::REFERRER_POLICY);
            assert_eq!(header.unwrap(), policy);
        }
    }

    fn consent() -> Consent {
        let acme = Organization {
            id: "org_acme".into(),
            name: "Acme".into(),
            role: "org:admin".into(),
        };
        let person = |name: &str, organizations| Person {
            user_id: format!("user_{}", name.to_lowercase()),
            name: name.into(),
            email: Some(format!("{name}@example.com")),
            organizations,
        };
        Consent {
            client_name: "The Inspector".into(),
            client_id: "client_1".into(),
            redirect_host: "localhost:6274".into(),
            scopes: vec!["email".into(), "documents:write".into()],
            people: vec![person("Ada", vec![acme]), person("Linus", Vec::new())],
            asks_organization: true,
            ticket: "t-1".into(),
            form_action: "/oauth/authorize/decision".into(),
        }
    }
}
