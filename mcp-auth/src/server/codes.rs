//! The codes of all findings, each with its severity and the reason why it matters.
//!
//! A code is a contract: people accept findings by code. `docs/findings.md` lists the codes, and a
//! test compares that page with this table.

use super::finding::Severity;

/// A kind of finding.
#[derive(Debug)]
pub(super) struct Code {
    /// The stable name, in kebab case.
    pub(super) name: &'static str,
    pub(super) level: Level,
    /// The reason why the finding matters.
    pub(super) why: &'static str,
}

/// The consequence of a finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    /// The server does not start.
    Fatal,
    /// The server starts, and a check fails.
    Error,
    /// The server starts and logs a warning.
    Warning,
    /// A check mentions it.
    Note,
}

impl Level {
    pub(super) fn severity(self) -> Severity {
        match self {
            Self::Fatal | Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Note => Severity::Note,
        }
    }
}

impl Code {
    /// The code with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|code| code.name == name)
    }
}

/// Declares each code and the list of all of them.
macro_rules! codes {
    ($($level:ident $code:ident $name:literal $why:literal;)*) => {
        $(
            pub(super) static $code: Code = Code {
                name: $name,
                level: Level::$level,
                why: $why,
            };
        )*
        static ALL: &[&Code] = &[$(&$code),*];
    };
}

codes! {
    Fatal INSTANCE_MISSING "instance-missing"
        "the server accepts only tokens that a Clerk instance issued";
    Fatal PUBLISHABLE_KEY_INVALID "publishable-key-invalid"
        "it names the instance whose tokens are accepted";
    Fatal FRONTEND_URL_INVALID "frontend-url-invalid"
        "it names the instance whose tokens are accepted";
    Fatal SECRET_KEY_INVALID "secret-key-invalid"
        "it is sent to Clerk with every look-up, and no other secret may be";
    Fatal MACHINE_KEY_INVALID "machine-key-invalid"
        "the server confirms opaque M2M tokens with this key";
    Fatal MACHINE_ID_INVALID "machine-id-invalid"
        "only M2M tokens that name this machine are accepted";
    Fatal MACHINE_MISSING "machine-missing"
        "every M2M token of the instance would be a credential here, whichever machine it is meant for";
    Fatal PARTIES_EMPTY "parties-empty"
        "every session token would be refused";
    Fatal API_KEY_SCOPES_EMPTY "api-key-scopes-empty"
        "every API key of the instance would be a credential here";
    Fatal SECRET_KEY_REQUIRED "secret-key-required"
        "the Backend API answers only to the secret key, and without an answer every caller is refused";
    Fatal TOKEN_KINDS_NONE "token-kinds-none"
        "every caller would be refused";
    Fatal API_URL_INVALID "api-url-invalid"
        "the secret key is sent there";
    Fatal JWT_KEY_INVALID "jwt-key-invalid"
        "every token is verified with this key";
    Fatal CLIENT_FAILED "clerk-client-failed"
        "the server fetches keys and memberships from Clerk";
    Fatal SECRET_KEY_REFUSED "secret-key-refused"
        "without the secret key no role and no permission can be looked up";
    Fatal MACHINE_KEY_REFUSED "machine-key-refused"
        "the server confirms opaque M2M tokens with this key";
    Fatal SECRET_KEY_OF_OTHER_INSTANCE "secret-key-of-other-instance"
        "memberships would be looked up in an instance that does not know the callers";
    Fatal KEYS_OF_TWO_INSTANCES "keys-of-two-instances"
        "memberships would be looked up in an instance that does not know the callers";
    Fatal INSTANCES_DISAGREE "instances-disagree"
        "the server accepts the tokens of one issuer";
    Fatal ISSUER_DIFFERS "issuer-differs"
        "the issuer in a token is compared byte for byte, so every token would be refused";
    Fatal ENTRY_INVALID "entry-invalid"
        "browsers and clients never send this form, so no request would match it";
    Fatal PROXY_INVALID "proxy-invalid"
        "limits count a client by the address that a trusted proxy names";
    Fatal PROXY_TRUSTS_ALL "proxy-trusts-all"
        "limits count a client by the address that a trusted proxy names";
    Fatal URL_INVALID "url-invalid"
        "clients ask for tokens for this URL, and the server refuses tokens for another URL";
    Fatal URL_MISSING "url-missing"
        "clients ask for tokens for this URL, and the server refuses tokens for another URL";
    Fatal URL_UNRESOLVED "http-url-unresolved"
        "access tokens would cross a network in the clear, and `dangerous_http_url` permits that only in a private network";
    Fatal URL_PUBLIC "http-url-public"
        "access tokens would cross a network in the clear, and `dangerous_http_url` permits that only in a private network";
    Fatal SETTING_INVALID "setting-invalid"
        "the server does not replace a value that cannot be used by a default";
    Fatal AUDIENCE_OPEN "audience-open"
        "Clerk issues the same kind of token to every OAuth application of an instance";
    Fatal LOCAL_CLERK_EXPOSED "local-clerk-exposed"
        "a local Clerk gives anyone a token of any user, so only this machine may reach the server";
    Fatal GUARD_UNSATISFIABLE "guard-unsatisfiable"
        "the tool would deny every caller";
    Fatal TOOL_NAME_DUPLICATE "tool-name-duplicate"
        "clients call tools by name";
    Fatal STATE_MISSING "state-missing"
        "the tool could not run";
    Fatal STATE_DUPLICATE "state-duplicate"
        "tools take state by its type, so one of the values would never be used";
    Fatal RATE_WITHOUT_ORGANIZATION "rate-without-organization"
        "the calls would have no organization to count for";
    Fatal TOOLS_MISSING "tools-missing"
        "the server would have nothing to serve";
    Fatal TOOL_MODULE_EMPTY "tool-module-empty"
        "a misspelt module would hide its tools";
    Fatal TOOLS_FILTERED "tools-filtered"
        "the server would have nothing to serve";
    Fatal SCOPE_INVALID "scope-invalid"
        "scopes are sent in headers and separated by spaces (RFC 6749 section 3.3)";
    Fatal SCOPE_CYCLE "scope-cycle"
        "a scope that contains itself has no meaning";
    Fatal LISTEN_FAILED "listen-failed"
        "no client could connect";
    Fatal IO_THREAD_FAILED "io-thread-failed"
        "all calls to Clerk run on this thread";
    Fatal THREADS_FAILED "threads-failed"
        "tools that are plain functions run on these threads";
    Fatal CHECK_FAILED "check-failed"
        "the check was asked for, and its errors are printed above";
    Fatal TEST_KEY_INVALID "test-key-invalid"
        "the tokens of the test are signed with this key";
    Fatal EMULATOR_IN_RELEASE "emulator-in-release"
        "a local Clerk gives anyone a token of any user";
    Fatal EMULATOR_EXPOSED "emulator-exposed"
        "a local Clerk gives anyone a token of any user, so only this machine may reach the server";
    Fatal EMULATOR_FAILED "emulator-failed"
        "the local Clerk issues the tokens that the server accepts";
    Fatal EMULATOR_PEOPLE_INVALID "emulator-people-invalid"
        "the local Clerk would have other people and permissions than the file describes";
    Error ACCEPTED_CODE_UNKNOWN "accepted-code-unknown"
        "a misspelt code would accept nothing, and the finding would come back";
    Error ACCEPTED_CODE_FATAL "accepted-code-fatal"
        "the server does not start with such a finding, so accepting it has no effect";

    Error ISSUER_UNREACHABLE "issuer-unreachable"
        "its keys verify tokens; until it can be reached, requests are answered with 503";
    Error KEYS_UNUSABLE "keys-unusable"
        "no token can be verified: all are answered with 401";
    Error KEYS_UNREACHABLE "keys-unreachable"
        "without keys no token can be verified: requests are answered with 503";
    Error JWT_KEY_UNPUBLISHED "jwt-key-unpublished"
        "tokens of the instance are signed with another key: all are answered with 401";
    Error SECRET_KEY_UNCHECKED "secret-key-unchecked"
        "the Backend API or the issuer's keys could not be reached; until the API answers, guards that need a membership are answered with 503";
    Error MACHINE_UNKNOWN "machine-unknown"
        "no M2M token is meant for it: all M2M tokens are answered with 401";
    Error MACHINE_KEY_OF_OTHER_MACHINE "machine-key-of-other-machine"
        "opaque tokens that are meant for it are answered with 401, or will be soon if its key was just changed";
    Error CLOCK_WRONG "clock-wrong"
        "the difference exceeds the tolerance: valid tokens are refused, or expired tokens are accepted";

    Warning ISSUER_UNCHECKED "issuer-unchecked"
        "tokens are verified with the configured key, but clients that sign in need the issuer, and the key was not compared with the issuer's";
    Warning CLOCK_DRIFT "clock-drift"
        "if the difference grows, valid tokens are refused";
    Warning DEVELOPMENT_INSTANCE "development-instance"
        "anyone can sign up with a test address, and Clerk allows a tenth of the requests";
    Warning ACCESS_TOKENS_OPAQUE "access-tokens-opaque"
        "each opaque token costs a call to the Backend API every minute, within a tenth of the instance's rate limit";
    Warning REGISTRATION_OFF "registration-off"
        "a client that was not given an id stops after discovery";
    Warning SCOPES_UNADVERTISED "scopes-unadvertised"
        "a client that is sent back for such a scope may be refused there (`invalid_scope`), or may not ask for it";
    Warning ORGANIZATIONS_OFF "organizations-off"
        "without that scope no OAuth token names an organization: these tools deny every caller";
    Warning PERMISSIONS_UNKNOWN "permissions-unknown"
        "these guards deny every caller who has no other way in";
    Warning ROLES_UNKNOWN "roles-unknown"
        "these guards deny every caller who has no other way in";
    Warning DEFAULT_SCOPES_INCOMPLETE "default-scopes-incomplete"
        "a client that registers without scopes (Claude, ChatGPT) asks for the advertised scopes and for `offline_access`, and Clerk refuses every scope that is not a default scope (`invalid_scope`)";
    Warning OFFLINE_ACCESS_ADVERTISED "offline-access-advertised"
        "a resource server does not ask for refresh tokens (SEP-2207); the scope is advertised as configured, because some clients need it";
    Warning AUDIENCE_SLASH "audience-slash"
        "Clerk registers no MCP server whose URL ends with a slash, so no token gets this audience and each token is answered with 401";
    Warning AUDIENCE_TRANSITION "audience-transition"
        "Clerk issues the same kind of token to every OAuth application of an instance; only the allowed clients or the required scope tell which tokens are meant for this server";
    Warning URL_ON_LOOPBACK "url-on-loopback"
        "clients on other machines are told to sign in for a URL that means their own machine";
    Warning PORT_DIFFERS "port-differs"
        "clients ask for tokens, and look for the metadata, at a port where no server listens";
    Warning PATH_DIFFERS "path-differs"
        "clients call the path of the URL, and the server answers another path";
    Warning HTTP_URL "http-url"
        "access tokens cross the network in the clear: anyone who reads the traffic can call the server as its users";
    Warning SESSIONS_WITHOUT_SCOPES "sessions-without-scopes"
        "session tokens are accepted, and can call public tools only";
    Warning SCHEMA_UNSUPPORTED "schema-unsupported"
        "some clients refuse the tool, or all tools of the server";
    Warning PANIC_ABORTS "panic-aborts"
        "a tool that panics ends the whole server";
    Warning VARIABLE_UNREAD "variable-unread"
        "a misspelt setting keeps its default";
    Warning LOG_FILTER_INVALID "log-filter-invalid"
        "the variable is ignored, and the log is at `info`";

    Note SECRET_KEY_UNSET "secret-key-unset"
        "roles and permissions of OAuth callers are not looked up, the organization of a token is trusted without a look-up, opaque tokens (`oat_…`) are refused, and the instance's settings were not checked";
    Note INSTANCE_UNREADABLE "instance-unreadable"
        "the Backend API answered with an error, or in an unknown form";
    Note REGISTRATION_OFF_FOR_OTHERS "registration-off-for-others"
        "a client that was not given an id stops after discovery";
    Note CLIENT_DOCUMENTS_OPEN "client-documents-open"
        "anyone who publishes such a document may ask your users for access";
    Note SCOPES_OUT_OF_REACH "scopes-out-of-reach"
        "such a client registers with the advertised scopes, and Clerk refuses a step-up beyond them (`invalid_scope`); clients with metadata documents can step up";
    Note AUDIENCE_REGISTRATION "audience-registration"
        "Clerk issues that audience only for MCP servers that are registered with the instance, and no API tells whether this server is; a token without it is answered with 401";
    Note AUDIENCE_TRANSITION_ENDED "audience-transition-ended"
        "tokens without an audience are refused, as with `AudiencePolicy::Require`";
    Note PATH_REWRITTEN "path-rewritten"
        "clients find the endpoint only if a proxy removes the beginning of the path";
    Note LISTENS_ON_LOOPBACK "listens-on-loopback"
        "only this machine reaches the server; that is right behind a proxy or a tunnel on this machine";
    Note ORGANIZATION_SOURCES "organization-sources"
        "users who choose an organization on Clerk's consent screen need no other source; `OnlyMembership` is for products whose users have one organization, and `UrlQuery` for one connection per organization in clients whose users get no choice on the consent screen";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_findings_lists_each_code_with_its_severity() {
        let page = include_str!("../../docs/guide/findings.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let listed: Vec<_> = rows
            .map(|row| row.split_once("` | ").unwrap())
            .map(|(name, rest)| (name, rest.split(" | ").next().unwrap()))
            .collect();
        let level = |code: &Code| match code.level {
            Level::Fatal => "fatal",
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let known: Vec<_> = ALL.iter().map(|code| (code.name, level(code))).collect();
        assert_eq!(listed, known);
    }

    #[test]
    fn each_code_is_one_name_in_kebab_case() {
        let mut names: Vec<_> = ALL.iter().map(|code| code.name).collect();
        for name in &names {
            let is_part =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(name.split('-').all(is_part), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
