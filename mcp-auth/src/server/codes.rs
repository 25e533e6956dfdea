//! The codes of all findings. Each code has its severity and the reason why the finding matters.
//!
//! Codes must stay stable, because people accept findings by code. `docs/findings.md` lists the
//! codes, and a test compares that page with this table.

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

/// The consequence of a finding for the start and for a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    /// The server does not start, and a check fails.
    Fatal,
    /// The server starts, but a check fails.
    Error,
    /// The server starts and logs a warning.
    Warning,
    /// A check reports the finding, and a start logs it at `debug`.
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
    /// Returns true if the finding says only that Clerk did not answer, so that the check may succeed later.
    pub(super) fn lacks_an_answer(&self) -> bool {
        let lacking = [
            &ISSUER_UNREACHABLE,
            &KEYS_UNREACHABLE,
            &SECRET_KEY_UNCHECKED,
        ];
        lacking.iter().any(|code| code.name == self.name)
    }

    /// Returns the code with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|code| code.name == name)
    }
}

/// Declares each code, and the list of all codes.
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
        "this setting names the instance whose tokens the server accepts";
    Fatal FRONTEND_URL_INVALID "frontend-url-invalid"
        "this setting names the instance whose tokens the server accepts";
    Fatal SECRET_KEY_INVALID "secret-key-invalid"
        "the server sends this value to Clerk with every look-up, so it must not be another secret";
    Fatal MACHINE_KEY_INVALID "machine-key-invalid"
        "the server confirms opaque M2M tokens with this key";
    Fatal MACHINE_ID_INVALID "machine-id-invalid"
        "only M2M tokens that name this machine are accepted";
    Fatal MACHINE_MISSING "machine-missing"
        "the server would accept every M2M token of the instance, also tokens that are meant for other machines";
    Fatal PARTIES_EMPTY "parties-empty"
        "every session token would be refused";
    Fatal API_KEY_SCOPES_EMPTY "api-key-scopes-empty"
        "the server would accept every API key of the instance";
    Fatal SECRET_KEY_REQUIRED "secret-key-required"
        "the Backend API answers only requests with the secret key, and the server refuses every caller whom the Backend API does not confirm";
    Fatal TOKEN_KINDS_NONE "token-kinds-none"
        "every caller would be refused";
    Fatal API_URL_INVALID "api-url-invalid"
        "the server sends the secret key to this URL";
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
        "browsers and clients never send a value of this form, so no request would match the entry";
    Fatal PROXY_INVALID "proxy-invalid"
        "the limits count each client by its address, which the server reads from a header of a trusted proxy";
    Fatal PROXY_TRUSTS_ALL "proxy-trusts-all"
        "the limits count each client by its address, which the server reads from a header of a trusted proxy";
    Fatal URL_INVALID "url-invalid"
        "clients ask for tokens with this URL as the audience, and the server refuses tokens with another audience";
    Fatal URL_MISSING "url-missing"
        "clients ask for tokens with this URL as the audience, and the server refuses tokens with another audience";
    Fatal URL_UNRESOLVED "http-url-unresolved"
        "access tokens would cross the network unencrypted, and `dangerous_http_url` permits that only in a private network";
    Fatal URL_PUBLIC "http-url-public"
        "access tokens would cross the network unencrypted, and `dangerous_http_url` permits that only in a private network";
    Fatal HTTP_URL_WITH_TLS "http-url-with-tls"
        "clients would send requests in plain http to a server that answers only https";
    Fatal TLS_NOT_BUILT "tls-not-built"
        "the server would answer in plain http, and access tokens would cross the network unencrypted";
    Fatal TLS_INCOMPLETE "tls-incomplete"
        "the server needs both the certificate and its private key to answer https";
    Fatal TLS_CERTIFICATE_UNUSABLE "tls-certificate-unusable"
        "no client could connect";
    Fatal TLS_KEY_UNUSABLE "tls-key-unusable"
        "no client could connect";
    Fatal TLS_KEY_MISMATCH "tls-key-mismatch"
        "no client could connect";
    Fatal TLS_WATCH_FAILED "tls-watch-failed"
        "the server would keep the certificate until it expires";
    Fatal SETTING_INVALID "setting-invalid"
        "the server does not replace an invalid value with a default";
    Fatal AUDIENCE_OPEN "audience-open"
        "Clerk issues the same kind of token to every OAuth application of an instance, so the server would accept the tokens of all of them";
    Fatal CALLER_MISSING "caller-missing"
        "over stdio a client cannot sign in, so every request would be refused";
    Fatal LOCAL_USER_IN_RELEASE "local-user-in-release"
        "a person who can start the program acts as this user, without an access token";
    Fatal LOCAL_CLERK_EXPOSED "local-clerk-exposed"
        "a local Clerk gives anyone a token of any user, so only this machine may reach the server";
    Fatal GUARD_UNSATISFIABLE "guard-unsatisfiable"
        "the tool would deny every caller";
    Fatal PUBLIC_IN_GUARDED_MODULE "public-in-guarded-module"
        "no function in a module can loosen the guard of the module";
    Fatal TOOL_NAME_DUPLICATE "tool-name-duplicate"
        "clients find a tool and a prompt by its name, so each name must be unique";
    Fatal RESOURCE_URI_SHARED "resource-uri-shared"
        "for a URI that matches both resources, the server would not know which of the two guards to check";
    Fatal STATE_MISSING "state-missing"
        "the function could not run";
    Fatal STATE_DUPLICATE "state-duplicate"
        "tools take state by its type, so one of the values would never be used";
    Fatal RATE_WITHOUT_ORGANIZATION "rate-without-organization"
        "the rate is counted per organization, and these calls have no organization";
    Fatal HEADER_OF_ANOTHER_TYPE "header-of-another-type"
        "clients hide a tool with such a header";
    Fatal ARGUMENT_RESERVED "argument-reserved"
        "the server takes this argument out of each call of a tool with `confirm`";
    Fatal TOOLS_MISSING "tools-missing"
        "the server would have nothing to serve";
    Fatal TOOL_MODULE_EMPTY "tool-module-empty"
        "if the name of a module is misspelt, the server would not serve its tools";
    Fatal TOOLS_FILTERED "tools-filtered"
        "the server would have nothing to serve";
    Fatal SCOPE_INVALID "scope-invalid"
        "scopes are sent in headers and separated by spaces (RFC 6749 section 3.3)";
    Fatal SCOPE_CYCLE "scope-cycle"
        "a scope must not imply itself";
    Fatal LISTEN_FAILED "listen-failed"
        "no client could connect";
    Fatal METRICS_LISTEN_FAILED "metrics-listen-failed"
        "the server would run without metrics, and the operator would not notice";
    Fatal IO_THREAD_FAILED "io-thread-failed"
        "all calls to Clerk run on this thread";
    Fatal CONFIRMATION_STORE_MISSING "confirmation-store-missing"
        "another process with the same keys would accept a confirmation a second time";
    Fatal REVOCATIONS_INVALID "revocations-invalid"
        "without the entries of the file, the server would accept revoked callers";
    Fatal STATE_KEYS_INVALID "state-keys-invalid"
        "only a server with the same key can continue a call that waits for a person";
    Fatal AUDIT_FILE_FAILED "audit-file-failed"
        "decisions would have no record";
    Fatal AUDIT_FAILED "audit-failed"
        "decisions would have no record";
    Fatal THREADS_FAILED "threads-failed"
        "tools that are plain functions run on these threads";
    Fatal CHECK_FAILED "check-failed"
        "`MCP_AUTH=check` ends with an error if it finds errors; they are printed above";
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
        "a misspelt code accepts no finding, so the finding that you meant is still reported";
    Error ACCEPTED_CODE_FATAL "accepted-code-fatal"
        "the server never starts with this finding, so accepting it has no effect";

    Error ISSUER_UNREACHABLE "issuer-unreachable"
        "the server verifies tokens with the issuer's keys; until it can fetch them, it answers requests with 503";
    Error KEYS_UNUSABLE "keys-unusable"
        "the server cannot verify any token, so it answers every token with 401";
    Error KEYS_UNREACHABLE "keys-unreachable"
        "the server cannot verify any token without the keys, so it answers requests with 503";
    Error JWT_KEY_UNPUBLISHED "jwt-key-unpublished"
        "the instance signs its tokens with another key, so the server answers every token with 401";
    Error SECRET_KEY_UNCHECKED "secret-key-unchecked"
        "the server could not reach the Backend API or the issuer's keys; until the API answers, the server answers calls that need a membership with 503";
    Error MACHINE_UNKNOWN "machine-unknown"
        "no M2M token is meant for this machine, so the server answers all M2M tokens with 401";
    Error MACHINE_KEY_OF_OTHER_MACHINE "machine-key-of-other-machine"
        "the server answers opaque tokens for its machine with 401, or will soon do so if the key was just changed";
    Error ACCESS_WIDENED "access-widened"
        "the file of `MCP_MATRIX` records the access that was reviewed";
    Error MATRIX_UNREADABLE "matrix-unreadable"
        "without a matrix to compare with, the check cannot find wider access";
    Error SPANS_NOT_EXPORTED "spans-not-exported"
        "the collector gets no span, although the environment asks for an export";
    Error CLOCK_WRONG "clock-wrong"
        "the difference exceeds the tolerance, so the server refuses valid tokens or accepts expired tokens";

    Warning ISSUER_UNCHECKED "issuer-unchecked"
        "the server verifies tokens with the configured key, but could not compare that key with the issuer's keys; clients cannot sign in while the issuer cannot be reached";
    Warning CLOCK_DRIFT "clock-drift"
        "if the difference grows, the server will refuse valid tokens";
    Warning DEVELOPMENT_INSTANCE "development-instance"
        "anyone can sign up with a test address, and the rate limits are a tenth of the limits of a production instance";
    Warning ACCESS_TOKENS_OPAQUE "access-tokens-opaque"
        "each opaque token costs a call to the Backend API every minute, within a tenth of the instance's rate limit";
    Warning REGISTRATION_OFF "registration-off"
        "a client cannot sign in unless it was configured with a client id";
    Warning SCOPES_UNADVERTISED "scopes-unadvertised"
        "the server challenges clients for these scopes, but a client may not ask for them, or Clerk may refuse them (`invalid_scope`)";
    Warning ORGANIZATIONS_OFF "organizations-off"
        "without this scope no OAuth token names an organization, so these tools deny every OAuth caller unless `organization_from` is set";
    Warning PERMISSIONS_UNKNOWN "permissions-unknown"
        "one alternative of each of these guards can never be met";
    Warning ROLES_UNKNOWN "roles-unknown"
        "one alternative of each of these guards can never be met";
    Warning DEFAULT_SCOPES_INCOMPLETE "default-scopes-incomplete"
        "Claude and ChatGPT register without scopes, so Clerk allows them only the default scopes; they ask for all advertised scopes and for `offline_access`, and Clerk then answers with `invalid_scope`";
    Warning OFFLINE_ACCESS_ADVERTISED "offline-access-advertised"
        "a resource server should not ask for refresh tokens (SEP-2207); the server advertises the scope nevertheless, because some clients need it";
    Warning AUDIENCE_SLASH "audience-slash"
        "Clerk cannot register an MCP server whose URL ends with a slash, so no token gets this audience and the server answers each token with 401";
    Warning AUDIENCE_TRANSITION "audience-transition"
        "Clerk issues the same kind of token to every OAuth application of an instance; only the allowed clients or the required scope show which tokens are meant for this server";
    Warning URL_ON_LOOPBACK "url-on-loopback"
        "clients on other machines are told to sign in for a loopback URL, which names their own machine";
    Warning PORT_DIFFERS "port-differs"
        "clients ask for tokens, and look for the metadata, at a port where no server listens";
    Warning PATH_DIFFERS "path-differs"
        "clients send requests to the path of the URL, but the endpoint has another path";
    Warning HTTP_URL "http-url"
        "access tokens cross the network unencrypted, so anyone who reads the traffic can call the server as its users";
    Warning CERTIFICATE_EXPIRED "certificate-expired"
        "clients refuse to connect";
    Warning CERTIFICATE_EXPIRING "certificate-expiring"
        "clients refuse to connect when the certificate has expired; the server reads a renewed certificate without a restart";
    Warning CERTIFICATE_OF_OTHER_HOST "certificate-of-other-host"
        "clients that call the canonical URL refuse to connect";
    Warning SESSIONS_WITHOUT_SCOPES "sessions-without-scopes"
        "the server accepts session tokens, but callers with a session token can call only public tools";
    Warning SCHEMA_UNSUPPORTED "schema-unsupported"
        "some clients refuse the tool, or all tools of the server";
    Warning PANIC_ABORTS "panic-aborts"
        "a tool that panics ends the whole server";
    Warning VARIABLE_UNREAD "variable-unread"
        "if the name is misspelt, the setting that you meant keeps its default";
    Warning METRICS_NOT_BUILT "metrics-not-built"
        "the server opens no port for metrics";
    Warning SPAN_SETTING_IGNORED "span-setting-ignored"
        "spans are exported in another way than the environment says";
    Warning LOG_FILTER_INVALID "log-filter-invalid"
        "the server ignores the variable and logs at level `info`";

    Note ACCESS_NARROWED "access-narrowed"
        "until you write the file again, a check does not report a change that makes the access as wide as the file says";
    Note SECRET_KEY_UNSET "secret-key-unset"
        "the server does not look up roles and permissions of OAuth callers, trusts the organization of a token without a look-up, refuses opaque tokens (`oat_…`), and did not check the instance's settings";
    Note INSTANCE_UNREADABLE "instance-unreadable"
        "the Backend API answered with an error, or in a form that the server does not know";
    Note REGISTRATION_OFF_FOR_OTHERS "registration-off-for-others"
        "a client cannot sign in unless it was configured with a client id";
    Note CLIENT_DOCUMENTS_OPEN "client-documents-open"
        "anyone who publishes a metadata document can ask your users for access";
    Note SCOPES_OUT_OF_REACH "scopes-out-of-reach"
        "a client that registers itself gets the advertised scopes, and Clerk refuses other scopes later (`invalid_scope`); a client with a metadata document can ask for other scopes later";
    Note AUDIENCE_REGISTRATION "audience-registration"
        "Clerk issues tokens with this audience only for MCP servers that are registered with the instance; the server cannot check whether it is registered, and answers tokens without this audience with 401";
    Note AUDIENCE_TRANSITION_ENDED "audience-transition-ended"
        "the server now refuses tokens without an audience, as with `AudiencePolicy::Require`";
    Note PATH_REWRITTEN "path-rewritten"
        "requests of clients reach the endpoint only if a proxy removes the beginning of the path";
    Note LISTENS_ON_LOOPBACK "listens-on-loopback"
        "only this machine can reach the server, which is right if a proxy or a tunnel runs on this machine";
    Note ORGANIZATION_SOURCES "organization-sources"
        "users who choose an organization on Clerk's consent screen need no other source; `OnlyMembership` is for users who have exactly one organization, and `UrlQuery` is for clients whose users cannot choose on the consent screen";
    Note QUESTIONS_WITHOUT_SESSIONS "questions-without-sessions"
        "a call of such a client fails, because the server can send a question to the client only in a session";
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
