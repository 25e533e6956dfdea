//! The Backend API. Every route requires the secret key.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web;
use actix_web::{HttpMessage as _, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::directory::{Directory, Membership};
use crate::instance::Instance;
use crate::routes::parameters::Parameters;
use crate::routes::problem::Problem;
use crate::routes::resources;
use crate::routes::{not_found, opaque};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let memberships = web::resource("/organizations/{organization}/memberships")
        .get(organization_memberships)
        .post(create_membership);
    let membership =
        web::resource("/organizations/{organization}/memberships/{user}").delete(delete_membership);
    let api = web::scope("/v1")
        .wrap(from_fn(authenticate))
        .service(web::resource("/jwks").get(jwks))
        .service(
            web::resource("/instance/oauth_application_settings")
                .get(settings)
                .patch(change_settings),
        )
        .service(memberships)
        .service(membership)
        .service(web::resource("/users").get(users))
        .service(web::resource("/users/{user}").get(user).delete(delete_user))
        .service(web::resource("/users/{user}/{verb:ban|unban|lock|unlock}").post(change_user))
        .service(web::resource("/users/{user}/organization_memberships").get(user_memberships))
        .service(web::resource("/organization_roles").get(organization_roles))
        .service(web::resource("/machines/{machine}").get(machine))
        .service(web::resource("/machines/{machine}/secret_key").get(machine_secret_key))
        .service(web::scope("/m2m_tokens").configure(opaque::m2m_tokens))
        .service(web::scope("/api_keys").configure(opaque::api_keys))
        .service(web::scope("/oauth_applications").configure(opaque::access_tokens))
        .default_service(web::to(not_found));
    // Clerk's SDKs call these routes without the prefix `/v1`.
    let m2m_tokens = web::scope("/m2m_tokens")
        .wrap(from_fn(authenticate))
        .configure(opaque::m2m_tokens);
    let api_keys = web::scope("/api_keys")
        .wrap(from_fn(authenticate))
        .configure(opaque::api_keys);
    let access_tokens = web::scope("/oauth_applications")
        .wrap(from_fn(authenticate))
        .configure(opaque::access_tokens);
    config
        .service(api)
        .service(m2m_tokens)
        .service(api_keys)
        .service(access_tokens);
}

/// The machine that authenticated with its own secret key. It may only verify M2M tokens.
#[derive(Clone, Debug)]
pub(crate) struct MachineKey {
    pub(crate) machine_id: String,
}

async fn authenticate(
    instance: web::Data<Instance>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match check_secret_key(request.headers(), request.path(), &instance) {
        Ok(machine) => {
            if let Some(machine) = machine {
                request.extensions_mut().insert(machine);
            }
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(problem) => Ok(request
            .into_response(problem.into_response())
            .map_into_right_body()),
    }
}

/// Accepts the secret key of the instance. For the verification of M2M tokens, also accepts the secret key of a
/// machine.
fn check_secret_key(
    headers: &HeaderMap,
    path: &str,
    instance: &Instance,
) -> Result<Option<MachineKey>, Problem> {
    let refuse = |code, message: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, code, message));
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some((scheme, key)) = sent.and_then(|value| value.split_once(' ')) else {
        return refuse("authentication_invalid", "The secret key is missing");
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        if instance.secret_key().is(key) {
            return Ok(None);
        }
        if matches!(path, "/m2m_tokens/verify" | "/v1/m2m_tokens/verify")
            && let Some(machine_id) = instance.machine_with_key(key)
        {
            return Ok(Some(MachineKey { machine_id }));
        }
    }
    refuse(
        "clerk_key_invalid",
        "The secret key does not belong to this instance",
    )
}

async fn jwks(instance: web::Data<Instance>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(header::ContentType::json())
        .body(instance.jwks())
}

async fn settings(instance: web::Data<Instance>) -> HttpResponse {
    HttpResponse::Ok().json(instance.settings().to_clerk())
}

async fn change_settings(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let changes = serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    instance
        .with_settings(|settings| settings.patch_clerks(changes))
        .map_err(|error| Problem::unprocessable(&error))?;
    Ok(HttpResponse::Ok().json(instance.settings().to_clerk()))
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

async fn change_user(
    instance: web::Data<Instance>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, verb) = path.into_inner();
    let directory = instance.with_directory(|directory| {
        find_user(directory, &id)?;
        if let Some(user) = directory.user_mut(&id) {
            match verb.as_str() {
                "ban" => user.banned = true,
                "unban" => user.banned = false,
                "lock" => user.locked = true,
                _ => user.locked = false,
            }
        }
        Ok::<_, Problem>(directory.clone())
    })?;
    let user = directory
        .user(&id)
        .map(|user| resources::user(user, instance.created_at()));
    Ok(HttpResponse::Ok().json(user))
}

async fn delete_user(
    instance: web::Data<Instance>,
    user: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    instance.with_directory(|directory| {
        find_user(directory, &user)?;
        directory.remove_user(&user);
        Ok::<_, Problem>(())
    })?;
    let deleted = json!({"object": "user", "id": *user, "deleted": true});
    Ok(HttpResponse::Ok().json(deleted))
}

async fn organization_roles(
    instance: web::Data<Instance>,
    parameters: Parameters,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    let (offset, limit) = parameters.page()?;
    let asked = parameters.all("query");
    let wanted = |key: &str| asked.iter().all(|text| key.contains(text));
    let show = |(key, permissions)| resources::role(key, permissions, instance.created_at());
    let found: Vec<Value> = directory
        .roles()
        .filter(|(key, _)| wanted(key))
        .map(show)
        .collect();
    let total = found.len();
    let page: Vec<Value> = found.into_iter().skip(offset).take(limit).collect();
    Ok(HttpResponse::Ok().json(json!({"data": page, "total_count": total})))
}

async fn machine(
    instance: web::Data<Instance>,
    machine: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let directory = instance.directory();
    let known = directory.machine(&machine).filter(|it| it.id == *machine);
    let machine = known.ok_or_else(|| Problem::not_found("Machine"))?;
    let scoped = machine.scoped_machines.iter();
    let scoped = scoped.filter_map(|id| directory.machine(id));
    let scoped = scoped.map(|it| json!({"object": "machine", "id": it.id, "name": it.name}));
    Ok(HttpResponse::Ok().json(json!({
        "object": "machine", "id": machine.id, "name": machine.name,
        "scoped_machines": scoped.collect::<Vec<_>>(),
    })))
}

async fn machine_secret_key(
    instance: web::Data<Instance>,
    machine: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let known = machine.starts_with("mch_");
    let key = known.then(|| instance.machine_secret_key(&machine));
    let key = key.flatten().ok_or_else(|| Problem::not_found("Machine"))?;
    Ok(HttpResponse::Ok().json(json!({"object": "machine_secret_key", "secret": key.expose()})))
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

/// Refuses an unknown organization. Like Clerk, it accepts full ids only.
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
