//! The cells of the table and the expected outcome of each. The outcomes come from Clerk's
//! documentation and from the README, not from the library.

use mcp_auth::TokenKind;

/// A token, a guard, whether the bearer meets the guard, and the parts of Clerk that answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) form: Form,
    pub(super) guard: Guard,
    pub(super) fact: Fact,
    pub(super) availability: Availability,
}

/// The four kinds of tokens, in all forms that Clerk issues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    OAuthJwt,
    OAuthOpaque,
    Session,
    SessionV1,
    MachineJwt,
    MachineOpaque,
    UserKey,
    OrganizationKey,
}

/// The requirement of a tool. Three guards are `any` guards with equal alternatives: they differ in
/// the alternative that the caller meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guard {
    SignedIn,
    User,
    Organization,
    /// No requirement, but the function receives the organization if there is one.
    MaybeOrganization,
    Role,
    Permission,
    Feature,
    Plan,
    Reverification,
    Scope,
    AnyOfMembership,
    AnyByRole,
    AnyByScope,
    AnyByFeature,
    Accept,
    NoActor,
}

/// Whether the caller meets the guard. The caller meets every other requirement that the token can
/// carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fact {
    Held,
    NotHeld,
    /// The caller meets the guard, but acts in no organization.
    NoOrganization,
    /// Like `NoOrganization`, but the user was asked for an organization at the consent screen.
    NoneChosen,
    /// A token of this form cannot carry the fact, and the fact is never looked up.
    NotCarried,
}

/// The parts of Clerk that answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Availability {
    Full,
    /// The server has no secret key, so it cannot ask the Backend API.
    NoSecretKey,
    /// Verifications of opaque tokens fail.
    TokensDown,
    UserinfoDown,
    MembershipsDown,
    /// The cached keys have expired, and no new ones can be fetched.
    KeysDown,
    /// The address of the Backend API refuses connections.
    Unreachable,
}

/// The response to a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The function ran.
    Ran,
    /// `isError`, and this text.
    Denied(&'static str),
    /// 403 with a challenge for `documents:write`.
    Challenged,
    /// 401 with `invalid_token`.
    Unauthorized,
    /// 503 with `Retry-After`.
    Unavailable,
}

/// The response to `tools/list`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listed {
    Shown,
    Hidden,
    Unauthorized,
    Unavailable,
}

/// The number of requests to Clerk that a call causes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Asked {
    pub(super) tokens: usize,
    pub(super) userinfo: usize,
    pub(super) memberships: usize,
}

/// The knowledge about the organization.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Organization {
    /// The caller acts in no organization, or left the organization.
    None,
    /// The id is known, but neither role nor permissions.
    Named,
    Known,
    /// The organization must be looked up, and the look-up fails.
    Unknown,
}

impl Cell {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let forms = Form::ALL.into_iter();
        forms.flat_map(|form| {
            Guard::ALL.into_iter().flat_map(move |guard| {
                Fact::ALL.into_iter().flat_map(move |fact| {
                    Availability::ALL.into_iter().map(move |availability| Self {
                        form,
                        guard,
                        fact,
                        availability,
                    })
                })
            })
        })
    }

    /// The reason why the cell does not exist; `None` if it exists.
    pub(super) fn impossible(self) -> Option<&'static str> {
        let Self {
            form,
            guard,
            fact,
            availability,
        } = self;
        let carries = form.carries(guard);
        match (fact, form.kind()) {
            _ if availability == Availability::NoSecretKey && form.kind() == TokenKind::ApiKey => {
                Some("a server that accepts API keys does not start without a secret key")
            }
            (Fact::Held, _) if !carries => Some("no token of this form has it"),
            (Fact::NotHeld, _) if !carries => Some("whether it is held is never known"),
            (Fact::NotCarried, _) if carries => Some("tokens of this form can have it"),
            (Fact::NotHeld, _) if guard == Guard::User => Some("its subject is a user"),
            (Fact::NotHeld, TokenKind::ApiKey) if guard.is_organization() => {
                Some("an organization's key is that organization's")
            }
            (Fact::NotHeld, TokenKind::Session) if guard.is_organization() => {
                Some("a session is in the organization that its token names, or in none")
            }
            (Fact::NoOrganization, TokenKind::ApiKey | TokenKind::M2m) => {
                Some("no token of this form is for an organization that was chosen")
            }
            (Fact::NoneChosen, kind) if kind != TokenKind::OAuth => {
                Some("nobody consents to a token of this form")
            }
            _ => None,
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        use Outcome::{Challenged, Denied, Ran, Unavailable};
        let Self { guard, fact, .. } = self;
        let held = self.is_held();
        let only_if = |met: bool, denied| if met { Ran } else { Denied(denied) };
        if let Some(refused) = self.authentication() {
            return refused;
        }
        match guard {
            Guard::SignedIn => Ran,
            Guard::User => only_if(held, "Forbidden: user required"),
            Guard::Accept => only_if(held, self.form.others()),
            Guard::NoActor => only_if(
                held,
                "Forbidden: not available to somebody who acts for the user",
            ),
            Guard::Feature => only_if(held, "Forbidden: org:export feature required"),
            Guard::Plan => only_if(held, "Forbidden: pro plan required"),
            Guard::Reverification => only_if(held, "Forbidden: strict reverification required"),
            // A new token can have the scope only if a consent screen grants it.
            Guard::Scope if !held && self.form.kind() == TokenKind::OAuth => Challenged,
            Guard::Scope => only_if(held, "Forbidden: documents:write scope required"),
            Guard::Organization => match self.organization() {
                Organization::Unknown => Unavailable,
                Organization::None => Denied(NO_ORGANIZATION),
                Organization::Named | Organization::Known => Ran,
            },
            Guard::MaybeOrganization => match self.organization() {
                Organization::Unknown => Unavailable,
                Organization::None | Organization::Named | Organization::Known => Ran,
            },
            Guard::Role => self.of_membership("Forbidden: org:admin role required"),
            Guard::Permission => {
                self.of_membership("Forbidden: org:documents:delete permission required")
            }
            Guard::AnyOfMembership => self.of_membership(
                "Forbidden: org:documents:delete permission or org:admin role required",
            ),
            // One alternative is met regardless of the role.
            Guard::AnyByScope | Guard::AnyByFeature if held => Ran,
            Guard::AnyByRole | Guard::AnyByScope | Guard::AnyByFeature => {
                let denied = if guard == Guard::AnyByFeature {
                    "Forbidden: org:export feature or org:admin role required"
                } else {
                    "Forbidden: org:admin role or documents:write scope required"
                };
                match self.organization() {
                    Organization::Unknown => Unavailable,
                    Organization::Known => only_if(fact == Fact::Held, denied),
                    Organization::None | Organization::Named => Denied(denied),
                }
            }
        }
    }

    pub(super) fn listed(self) -> Listed {
        match self.authentication() {
            Some(Outcome::Unauthorized) => return Listed::Unauthorized,
            Some(_) => return Listed::Unavailable,
            None => {}
        }
        // Other tools of the server require the organization, so a list without them would be
        // wrong.
        if self.organization() == Organization::Unknown {
            return Listed::Unavailable;
        }
        let could = match self.outcome() {
            Outcome::Ran | Outcome::Challenged => true,
            Outcome::Denied(_) => self.is_curable(),
            Outcome::Unauthorized | Outcome::Unavailable => false,
        };
        if could { Listed::Shown } else { Listed::Hidden }
    }

    /// The number of requests to the local Clerk that a call causes.
    pub(super) fn asked(self) -> Asked {
        use Availability::{NoSecretKey, Unreachable};
        let mut asked = Asked::default();
        if matches!(self.availability, NoSecretKey | Unreachable) {
            return asked;
        }
        asked.tokens = usize::from(self.form.is_opaque());
        let is_looked_up = self.authentication().is_none()
            && self.form.kind() == TokenKind::OAuth
            && self.guard.is_about_organization()
            && self.fact != Fact::NoOrganization;
        if is_looked_up {
            let opaque = self.form.is_opaque();
            asked.userinfo = usize::from(opaque);
            let told = !opaque || self.availability != Availability::UserinfoDown;
            asked.memberships = usize::from(told && self.fact != Fact::NoneChosen);
        }
        asked
    }

    /// The refusal of the token itself, if it is refused.
    fn authentication(self) -> Option<Outcome> {
        let opaque = self.form.is_opaque();
        match self.availability {
            Availability::NoSecretKey if opaque => return Some(Outcome::Unauthorized),
            Availability::TokensDown | Availability::Unreachable if opaque => {
                return Some(Outcome::Unavailable);
            }
            Availability::KeysDown if !opaque => return Some(Outcome::Unavailable),
            _ => {}
        }
        let bad = self.guard == Guard::SignedIn && self.fact == Fact::NotHeld;
        bad.then_some(Outcome::Unauthorized)
    }

    /// Whether the caller meets the guard, ignoring the organization.
    pub(super) fn is_held(self) -> bool {
        match self.fact {
            Fact::Held => true,
            Fact::NoOrganization | Fact::NoneChosen => self.form.carries(self.guard),
            Fact::NotHeld | Fact::NotCarried => false,
        }
    }

    fn organization(self) -> Organization {
        let left = self.guard.is_organization() && self.fact == Fact::NotHeld;
        match (self.form.kind(), self.availability) {
            (TokenKind::ApiKey, _) if self.form == Form::OrganizationKey => Organization::Named,
            (TokenKind::ApiKey | TokenKind::M2m, _) => Organization::None,
            _ if self.fact == Fact::NoOrganization => Organization::None,
            (TokenKind::OAuth, Availability::UserinfoDown) if self.form.is_opaque() => {
                Organization::Unknown
            }
            _ if self.fact == Fact::NoneChosen => Organization::None,
            (TokenKind::OAuth, Availability::NoSecretKey) => Organization::Named,
            (TokenKind::OAuth, Availability::MembershipsDown | Availability::Unreachable) => {
                Organization::Unknown
            }
            (TokenKind::OAuth, _) if left => Organization::None,
            _ => Organization::Known,
        }
    }

    /// The outcome of a guard that requires only a role or a permission.
    fn of_membership(self, denied: &'static str) -> Outcome {
        match self.organization() {
            Organization::Unknown => Outcome::Unavailable,
            Organization::None => Outcome::Denied(NO_ORGANIZATION),
            Organization::Known if self.is_held() => Outcome::Ran,
            Organization::Known | Organization::Named => Outcome::Denied(denied),
        }
    }

    /// Whether a new token could let a denied caller pass.
    fn is_curable(self) -> bool {
        match (self.form.kind(), self.guard) {
            // A new token can have the missing scope `user:org:read`.
            (
                TokenKind::OAuth,
                Guard::Organization | Guard::Role | Guard::Permission | Guard::AnyOfMembership,
            ) => self.fact == Fact::NoOrganization,
            (TokenKind::OAuth, Guard::AnyByRole | Guard::AnyByScope) => true,
            (TokenKind::Session, Guard::Reverification) => true,
            _ => false,
        }
    }
}

impl Form {
    pub(super) const ALL: [Self; 8] = [
        Self::OAuthJwt,
        Self::OAuthOpaque,
        Self::Session,
        Self::SessionV1,
        Self::MachineJwt,
        Self::MachineOpaque,
        Self::UserKey,
        Self::OrganizationKey,
    ];

    pub(super) fn kind(self) -> TokenKind {
        match self {
            Self::OAuthJwt | Self::OAuthOpaque => TokenKind::OAuth,
            Self::Session | Self::SessionV1 => TokenKind::Session,
            Self::MachineJwt | Self::MachineOpaque => TokenKind::M2m,
            Self::UserKey | Self::OrganizationKey => TokenKind::ApiKey,
        }
    }

    pub(super) fn is_opaque(self) -> bool {
        match self {
            Self::OAuthOpaque | Self::MachineOpaque | Self::UserKey | Self::OrganizationKey => true,
            Self::OAuthJwt | Self::Session | Self::SessionV1 | Self::MachineJwt => false,
        }
    }

    /// Whether a caller with a token of this kind can ever meet the guard.
    pub(super) fn carries(self, guard: Guard) -> bool {
        let (kind, key) = (self.kind(), self.kind() == TokenKind::ApiKey);
        let session = kind == TokenKind::Session;
        let person = session || kind == TokenKind::OAuth;
        match guard {
            Guard::SignedIn | Guard::Accept | Guard::NoActor => true,
            Guard::User => person || self == Self::UserKey,
            Guard::Organization | Guard::MaybeOrganization => {
                person || self == Self::OrganizationKey
            }
            Guard::Role | Guard::Permission | Guard::AnyOfMembership | Guard::AnyByRole => person,
            Guard::Feature | Guard::Plan | Guard::Reverification | Guard::AnyByFeature => session,
            Guard::Scope | Guard::AnyByScope => key || kind == TokenKind::OAuth,
        }
    }

    /// The denial of a tool that accepts all other kinds.
    fn others(self) -> &'static str {
        match self.kind() {
            TokenKind::OAuth => "Forbidden: session, m2m or api_key token required",
            TokenKind::Session => "Forbidden: oauth, m2m or api_key token required",
            TokenKind::M2m => "Forbidden: oauth, session or api_key token required",
            TokenKind::ApiKey => "Forbidden: oauth, session or m2m token required",
            other => panic!("{other} is new"),
        }
    }
}

impl Guard {
    pub(super) const ALL: [Self; 16] = [
        Self::SignedIn,
        Self::User,
        Self::Organization,
        Self::MaybeOrganization,
        Self::Role,
        Self::Permission,
        Self::Feature,
        Self::Plan,
        Self::Reverification,
        Self::Scope,
        Self::AnyOfMembership,
        Self::AnyByRole,
        Self::AnyByScope,
        Self::AnyByFeature,
        Self::Accept,
        Self::NoActor,
    ];

    /// Whether the guard requires an organization, but no role and no permission.
    pub(super) fn is_organization(self) -> bool {
        matches!(self, Self::Organization | Self::MaybeOrganization)
    }

    pub(super) fn is_about_organization(self) -> bool {
        match self {
            Self::Organization
            | Self::MaybeOrganization
            | Self::Role
            | Self::Permission
            | Self::AnyOfMembership
            | Self::AnyByRole
            | Self::AnyByScope
            | Self::AnyByFeature => true,
            Self::SignedIn
            | Self::User
            | Self::Feature
            | Self::Plan
            | Self::Reverification
            | Self::Scope
            | Self::Accept
            | Self::NoActor => false,
        }
    }
}

impl Fact {
    const ALL: [Self; 5] = [
        Self::Held,
        Self::NotHeld,
        Self::NoOrganization,
        Self::NoneChosen,
        Self::NotCarried,
    ];
}

impl Availability {
    const ALL: [Self; 7] = [
        Self::Full,
        Self::NoSecretKey,
        Self::TokensDown,
        Self::UserinfoDown,
        Self::MembershipsDown,
        Self::KeysDown,
        Self::Unreachable,
    ];
}

const NO_ORGANIZATION: &str = "Organization context required";
