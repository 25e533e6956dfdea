//! The authorization endpoint: checks the request, shows the consent page, and redirects after the
//! decision.

use actix_web::http::{StatusCode, header};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};

use crate::directory::Directory;
use crate::instance::Instance;
use crate::oauth::{Authorization, Client, Code, Context, Fields, OAuthError, Redirect};
use crate::routes::consent;
use crate::routes::consent::{Consent, Decision, Organization, Person};

pub(super) async fn from_query(
    instance: web::Data<Instance>,
    request: HttpRequest,
) -> HttpResponse {
    let fields = Fields::parse(request.query_string().as_bytes());
    authorize(&instance, &fields).await
}

pub(super) async fn from_form(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    match super::form(&request, &body) {
        Ok(fields) => authorize(&instance, &fields).await,
        Err(error) => unanswerable(&error.description),
    }
}

/// Receives the form of the consent page.
pub(super) async fn decide(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let fields = super::form(&request, &body);
    let decision = fields
        .ok()
        .and_then(|fields| Decision::parse(fields.pairs()));
    let Some(decision) = decision else {
        return unanswerable("The form is incomplete.");
    };
    let (oauth, context) = (instance.oauth(), instance.oauth_context());
    let Some(authorization) = oauth.take(&decision.ticket, context.now) else {
        return unanswerable("This sign-in was already completed, or it has expired.");
    };
    let Some(choice) = decision.allowed_by else {
        let error = OAuthError::new(Code::AccessDenied, "the user refused");
        return see_other(&authorization.redirect.with_error(&error));
    };
    let organization = choice.organization_id.as_deref();
    match oauth.allow(&context, &authorization, &choice.user_id, organization) {
        Ok(location) => see_other(&location),
        Err(text) => unanswerable(&text),
    }
}

/// Handles an authorization request (RFC 6749 §4.1.1). Until the redirect URI is known to belong to the client, errors
/// are shown as a page.
async fn authorize(instance: &Instance, fields: &Fields) -> HttpResponse {
    let sent = fields.pairs().iter();
    if sent
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > MAX_REQUEST
    {
        return unanswerable("The request is longer than 16 KiB.");
    }
    let (client, redirect) = match sender(instance, fields).await {
        Ok(found) => found,
        Err(text) => return unanswerable(&text),
    };
    // Take the snapshot after the client's document was fetched, because fetching may take seconds.
    let (oauth, context) = (instance.oauth(), instance.oauth_context());
    let Context {
        directory,
        settings,
        now,
        ..
    } = &context;
    let checked = Authorization::check(fields, client, redirect, settings, directory);
    let authorization = match checked {
        Ok(authorization) => authorization,
        Err((error, redirect)) => return see_other(&redirect.with_error(&error)),
    };
    // Only clients on this machine are approved without a page. Otherwise a client on another machine would get a code
    // as soon as a person opens the client's link.
    let approver = settings.approve_as.as_deref();
    let approver = approver.filter(|_| authorization.redirect.is_loopback());
    if let Some(approver) = approver {
        let (user, organization) = match approver.split_once('/') {
            Some((user, organization)) => (user, Some(organization)),
            None => (approver, None),
        };
        return match oauth.allow(&context, &authorization, user, organization) {
            Ok(location) => see_other(&location),
            Err(text) => unanswerable(&text),
        };
    }
    if authorization.is_silent {
        let error = OAuthError::new(
            Code::LoginRequired,
            "nobody is signed in at the local Clerk",
        );
        return see_other(&authorization.redirect.with_error(&error));
    }
    let mut page = consent_of(directory, &authorization);
    let redirect = authorization.redirect.clone();
    match oauth.wait(authorization, *now) {
        Ok(ticket) => {
            page.ticket = ticket;
            consent::respond(&page)
        }
        Err(error) => see_other(&redirect.with_error(&error)),
    }
}

async fn sender(instance: &Instance, fields: &Fields) -> Result<(Client, Redirect), String> {
    let text = |error: OAuthError| error.description;
    let client_id = fields.required("client_id").map_err(text)?;
    let context = instance.oauth_context();
    let client = instance.oauth().find_client(&context, client_id).await;
    let client = client.map_err(text)?;
    let sends_issuer = instance.settings().authorization_response_iss;
    let issuer = sends_issuer.then_some(context.issuer);
    let redirect = Redirect::find(&client, fields, issuer)?;
    Ok((client, redirect))
}

fn consent_of(directory: &Directory, authorization: &Authorization) -> Consent {
    let people = directory.users().map(|user| Person {
        user_id: user.id.clone(),
        name: user.name.clone(),
        email: user.email.clone(),
        organizations: directory
            .memberships_of(&user.id)
            .map(|membership| Organization {
                id: membership.id,
                name: membership.name,
                role: membership.role,
            })
            .collect(),
    });
    Consent {
        client_name: authorization.client.name.clone(),
        client_id: authorization.client.id.clone(),
        redirect_host: authorization.redirect.host(),
        scopes: authorization.scopes.clone(),
        people: people.collect(),
        asks_organization: authorization.asks_organization(),
        ticket: String::new(),
        form_action: String::from("/oauth/authorize/decision"),
    }
}

/// An error page. It is used if the redirect URI is not known to belong to the client.
fn unanswerable(text: &str) -> HttpResponse {
    consent::respond_error(
        StatusCode::BAD_REQUEST,
        "This request cannot be answered",
        text,
    )
}

/// A redirect with status 303, so that no browser posts the form again to the new location (RFC
/// 9700 §4.12).
fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

/// The maximal length of a request's parameters, in bytes. The parameters are stored until a person decides, and some
/// of them are stored with the grant.
const MAX_REQUEST: usize = 16 * 1024;
