//! The Backend API, for the holder of the secret key.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::middleware::from_fn;
use actix_web::web;
use aws_lc_rs::constant_time;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::directory::Directory;
use crate::directory::Membership;
use crate::instance::Instance;
use crate::routes::not_found;
use crate::routes::parameters::Parameters;
use crate::routes::problem::Problem;
use crate::routes::resources;
use crate::routes::weather::weather;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let memberships = web::resource("/organizations/{organization}/memberships")
        .get(organization_memberships)
        .post(create_membership);
    let membership =
        web::resource("/organizations/{organization}/memberships/{user}").delete(delete_membership);
    // The last one wrapped is the first to see a request: a failing Clerk fails whoever asks.
    let api = web::scope("/v1")
        .wrap(from_fn(authenticate))
        .wrap(from_fn(weather))
        .service(web::resource("/jwks").get(jwks))
        .service(memberships)
        .service(membership)
        .service(web::resource("/users").get(users))
        .service(web::resource("/users/{user}").get(user))
        .service(web::resource("/users/{user}/organization_memberships").get(user_memberships))
        .default_service(web::to(not_found));
    config.service(api);
}

async fn authenticate(
    instance: web::Data<Instance>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match check_secret_key(request.headers(), &instance) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request
            .into_response(problem.into_response())
            .map_into_right_body()),
    }
}

fn check_secret_key(headers: &HeaderMap, instance: &Instance) -> Result<(), Problem> {
    let refuse = |code, message: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, code, message));
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some((scheme, key)) = sent.and_then(|value| value.split_once(' ')) else {
        return refuse("authentication_invalid", "The secret key is missing");
    };
    let expected = instance.secret_key();
    let equal =
        constant_time::verify_slices_are_equal(key.as_bytes(), expected.expose().as_bytes());
    if scheme.eq_ignore_ascii_case("bearer") && equal.is_ok() {
        Ok(())
    } else {
        refuse("clerk_key_invalid", "The secret key is not this instance's")
    }
}

async fn jwks(instance: web::Data<Instance>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(header::ContentType::json())
        .body(instance.jwks())
}

async fn organization_memberships(
    instance: web::Data<Instance>,
    organization: web::Path<String>,
    parameters: Parameters,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    find_organization(&directory, &organization)?;
    let (users, roles) = (parameters.all("user_id"), parameters.all("role"));
    let wanted = |membership: &Membership| {
        (users.is_empty() || users.contains(&membership.user_id.as_str()))
            && (roles.is_empty() || roles.contains(&membership.role.as_str()))
    };
    let found: Vec<_> = directory.members_of(&organization).filter(wanted).collect();
    membership_list(&instance, &directory, &found, &parameters)
}

async fn user_memberships(
    instance: web::Data<Instance>,
    user: web::Path<String>,
    parameters: Parameters,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    find_user(&directory, &user)?;
    let found: Vec<_> = directory.memberships_of(&user).collect();
    membership_list(&instance, &directory, &found, &parameters)
}

fn membership_list(
    instance: &Instance,
    directory: &Directory,
    found: &[Membership],
    parameters: &Parameters,
) -> Result<HttpResponse, Problem> {
    let (offset, limit) = parameters.page()?;
    let total = found.len();
    let show = |membership: &Membership| {
        resources::membership(directory, membership, instance.created_at())
    };
    let page: Vec<Value> = found.iter().skip(offset).take(limit).map(show).collect();
    Ok(HttpResponse::Ok().json(json!({"data": page, "total_count": total})))
}

async fn users(
    instance: web::Data<Instance>,
    parameters: Parameters,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    let (offset, limit) = parameters.page()?;
    let show = |user| resources::user(user, instance.created_at());
    let page: Vec<Value> = directory
        .users()
        .skip(offset)
        .take(limit)
        .map(show)
        .collect();
    Ok(HttpResponse::Ok().json(page))
}

async fn user(
    instance: web::Data<Instance>,
    user: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    find_user(&directory, &user)?;
    let user = directory
        .user(&user)
        .map(|user| resources::user(user, instance.created_at()));
    Ok(HttpResponse::Ok().json(user))
}

#[derive(Deserialize)]
struct NewMembership {
    user_id: String,
    role: String,
}

async fn create_membership(
    instance: web::Data<Instance>,
    organization: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let new: NewMembership =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    instance.with_directory(|directory| {
        find_organization(directory, &organization)?;
        find_user(directory, &new.user_id)?;
        if !directory.has_role(&new.role) {
            return Err(Problem::not_found("Role"));
        }
        if directory.membership(&organization, &new.user_id).is_some() {
            let code = "already_a_member_in_organization";
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                code,
                "Already a member of the organization",
            ));
        }
        directory.put_member(&new.user_id, &organization, &new.role, None);
        let membership = find_membership(directory, &organization, &new.user_id)?;
        let shown = resources::membership(directory, &membership, instance.created_at());
        Ok(HttpResponse::Ok().json(shown))
    })
}

async fn delete_membership(
    instance: web::Data<Instance>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (organization, user) = path.into_inner();
    instance.with_directory(|directory| {
        find_organization(directory, &organization)?;
        let membership = find_membership(directory, &organization, &user)?;
        let shown = resources::membership(directory, &membership, instance.created_at());
        directory.remove_member(&user, &organization);
        Ok(HttpResponse::Ok().json(shown))
    })
}

/// These take full ids alone, as Clerk does.
fn find_organization(directory: &Directory, id: &str) -> Result<(), Problem> {
    let found = directory
        .organizations()
        .any(|organization| organization.id == id);
    if found {
        Ok(())
    } else {
        Err(Problem::not_found("Organization"))
    }
}

fn find_user(directory: &Directory, id: &str) -> Result<(), Problem> {
    let found = directory.users().any(|user| user.id == id);
    if found {
        Ok(())
    } else {
        Err(Problem::not_found("User"))
    }
}

fn find_membership(
    directory: &Directory,
    organization: &str,
    user: &str,
) -> Result<Membership, Problem> {
    let membership = directory.membership(organization, user);
    membership.ok_or_else(|| Problem::not_found("Membership"))
}
