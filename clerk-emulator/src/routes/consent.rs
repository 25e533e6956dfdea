//! The page of `/oauth/authorize`: who signs in, in which organization, and whether the client may.
//!
//! It knows nothing of OAuth but what it shows. Its form posts `ticket`, `decision` (`allow` or `refuse`)
//! and, of a radio group, `choice`: a user's id, then `|` and an organization's id if one was chosen.
//! People and their organizations are one group, since without a script no list can follow another. The
//! receiver reads it with [`Decision::parse`], and must itself see that the user is in that organization
//! and that one was asked for: what a form sends is not what a page showed.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use crate::routes::page;

/// What is to be consented to, and who can.
#[derive(Debug)]
pub(crate) struct Consent {
    /// Its name as it says itself; its id if it says none.
    pub(crate) client_name: String,
    pub(crate) client_id: String,
    /// Host and port of the redirect URI, or all of it if it has none.
    pub(crate) redirect_host: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) people: Vec<Person>,
    /// Whether an organization is chosen too; "no organization" can be.
    pub(crate) asks_organization: bool,
    /// Bound to one authorization request, and good for one decision.
    pub(crate) ticket: String,
    /// Where the form posts to.
    pub(crate) form_action: String,
}

/// Somebody to sign in as.
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

/// What the form says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) ticket: String,
    /// Who allows it; `None` is a refusal.
    pub(crate) allowed_by: Option<Choice>,
}

/// A person, and the organization that is theirs to act for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
}

impl Decision {
    /// Reads the fields of the form; `None` if one is missing, twice or neither of its values.
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

/// The page as an answer.
pub(crate) fn answer(consent: &Consent) -> HttpResponse {
    page::answer_form(page(consent))
}

/// A page for a request that cannot be answered to its client, as an answer.
pub(crate) fn answer_error(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    page::answer(status, error_page(title, text))
}

/// The page; [`answer`] sends it with the headers that it needs.
pub(crate) fn page(consent: &Consent) -> Markup {
    // Whatever direction a name is written in, it ends where it ends.
    let main = html! {
        p { bdi { strong { (consent.client_name) } } " asks to act for one of the people below." }
        dl {
            dt { "Client" }
            dd { code { (consent.client_id) } }
            dt { "Answer goes to" }
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

/// The page; [`answer_error`] sends it.
pub(crate) fn error_page(title: &str, text: &str) -> Markup {
    let main = html! {
        p { (text) }
        p {
            "The client is not told. Start again from there, or see "
            a href="/" { "what this local Clerk has" } "."
        }
    };
    page::document(title, WARNING, &main)
}

fn people(consent: &Consent) -> Markup {
    html! {
        fieldset {
            legend {
                @if consent.asks_organization { "Who signs in, and in which organization?" }
                @else { "Who signs in?" }
            }
            @for person in &consent.people {
                @if consent.asks_organization { (person_in_organizations(person)) }
                @else { (radio(&person.user_id, &who(person))) }
            }
            @if consent.people.is_empty() { p { "The directory has nobody." } }
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

/// What a scope lets a client read, or do; of a custom one only its name is known.
///
/// Source: Clerk, <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
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

/// The value of a field that is there once.
fn only<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = form.iter().filter(|(field, _)| field == name);
    let (_, value) = values.next()?;
    values.next().is_none().then_some(value.as_str())
}

const WARNING: &str = "This is a local Clerk on this machine, where anybody can be anyone. It needs no password: type none.";

#[cfg(test)]
mod tests {
    use actix_web::http::header;

    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_filled_in() {
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
    fn a_form_that_the_page_cannot_send_is_no_decision() {
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
    fn the_page_says_who_asks_for_what_and_where_the_answer_goes() {
        let page = page(&consent()).into_string();
        for text in [
            "Development only",
            "type none",
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
    fn no_organization_is_offered_unless_one_is_asked_for() {
        let page = page(&Consent {
            asks_organization: false,
            ..consent()
        })
        .into_string();
        assert_eq!(page.matches(r#"type="radio""#).count(), 2);
        assert!(!page.contains("org_acme") && !page.contains("o organization"));
    }

    #[test]
    fn where_nobody_is_there_nobody_can_allow() {
        let page = page(&Consent {
            people: Vec::new(),
            ..consent()
        })
        .into_string();
        assert!(page.contains("nobody"));
        assert!(page.contains(r#"value="allow" disabled>"#));
        assert!(page.contains(r#"value="refuse" formnovalidate>"#));
    }

    #[test]
    fn what_a_client_says_of_itself_is_text_whatever_it_holds() {
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
    fn pages_run_nothing_load_nothing_and_are_framed_and_kept_by_nobody() {
        let sent = answer(&consent());
        let error = answer_error(StatusCode::BAD_REQUEST, "No", "Not so");
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
