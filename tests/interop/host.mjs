// Shared by the tests in which a client signs in: the settings of the local Clerk, the host of the official TypeScript
// client, and the start of programs that are clients.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { allow } from './consenting.mjs';
import { issuer, start } from './example.mjs';

const CLIENT_MS = 30_000;
/** The program that is the browser of clients in other languages. */
export const BROWSER = join(import.meta.dirname, 'consenting.mjs');
/** Where the answers of those clients lead that read them off the redirect. */
export const REDIRECT = 'http://127.0.0.1:6275/callback';
/** The scopes of the first challenge, and the one that clients add to be able to refresh. */
export const FIRST = ['email', 'offline_access', 'profile', 'user:org:read'];
export const WIDER = ['documents:write', ...FIRST];
export const REGISTRATION = {
    dynamic_oauth_client_registration: true,
    client_id_metadata_documents_advertised: false,
    authorization_response_iss: false,
};
export const DOCUMENT = {
    dynamic_oauth_client_registration: false,
    client_id_metadata_documents_advertised: true,
    loopback_client_documents: true,
    authorization_response_iss: true,
    client_document_scopes: WIDER,
};

/**
 * Starts a server for one test, beside a local Clerk that trusts the client's `document`, with these settings of that
 * Clerk and these variables.
 */
export async function serve(t, document, settings, variables = {}) {
    const { endpoint, stop } = await start('sign_in', { SSL_CERT_FILE: document.certificate, ...variables });
    t.after(stop);
    const clerk = await issuer(endpoint);
    const changed = await fetch(`${clerk}/dev/settings`, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(settings),
    });
    const text = await changed.text();
    assert.equal(changed.status, 200, text);
    const { audience_claim, mcp_servers, registered_scopes_only } = JSON.parse(text);
    assert.ok(audience_claim && mcp_servers.includes(endpoint) && registered_scopes_only, text);
    return { endpoint, clerk, document };
}

/** What the TypeScript client keeps, and where it sends its user. */
export class Host {
    redirectUrl = REDIRECT;
    clientMetadata = {
        client_name: 'interop',
        redirect_uris: [REDIRECT],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
    };
    authorizations = [];
    /** What was sent, and how it was answered. */
    requests = [];
    saved = {};

    constructor(server) {
        this.server = server;
    }

    /** One that has a document registers all the same where none are taken. */
    get clientMetadataUrl() {
        return this.server.document.url;
    }

    state() {
        this.saved.state = randomUUID();
        return this.saved.state;
    }

    clientInformation() {
        return this.saved.client;
    }

    saveClientInformation(client) {
        this.saved.client = client;
    }

    tokens() {
        return this.saved.tokens;
    }

    saveTokens(tokens) {
        this.saved.tokens = tokens;
    }

    codeVerifier() {
        return this.saved.verifier;
    }

    saveCodeVerifier(verifier) {
        this.saved.verifier = verifier;
    }

    discoveryState() {
        return this.saved.discovery;
    }

    saveDiscoveryState(discovery) {
        this.saved.discovery = discovery;
    }

    redirectToAuthorization(url) {
        this.authorizations.push(url.href);
    }

    async connect(mode) {
        const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode } });
        const transport = this.transport();
        await client.connect(transport);
        return { client, transport };
    }

    async finish(transport = this.transport()) {
        const answer = await allow(this.authorizations.at(-1));
        assert.equal(answer.searchParams.get('state'), this.saved.state);
        await transport.finishAuth(answer.searchParams);
    }

    transport() {
        const recorded = async (url, init) => {
            const answer = await fetch(url, init);
            const { origin, pathname } = new URL(url);
            const whom = origin === this.server.clerk ? 'clerk' : 'server';
            this.requests.push(`${init?.method ?? 'GET'} ${whom} ${pathname} ${answer.status}`);
            return answer;
        };
        return new StreamableHTTPClientTransport(new URL(this.server.endpoint), { authProvider: this, fetch: recorded });
    }
}

/** Calls a tool that has to succeed; resolves to its text. */
export async function call(client, name, args = {}) {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, result.content[0].text);
    return result.content[0].text;
}

/** Runs the program for this interpreter in the folder `python`, and reads the JSON object that it prints. */
export async function runPython(interpreter, program, args, input) {
    const file = join(import.meta.dirname, 'python', program);
    const { stdout } = await run(interpreter, [file, ...args], { env: { PATH: process.env.PATH } }, input);
    return JSON.parse(stdout);
}

/** The claims of a JWT, unverified. */
export function claims(token) {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}

/** The scopes that an authorization request asks for. */
export function scopes(asked) {
    return asked.get('scope').split(' ').toSorted();
}

/** Runs a program to its end; what it says of a failure is in the error. */
export function run(program, args, options, input = '') {
    return new Promise((resolve, reject) => {
        const child = execFile(program, args, { timeout: CLIENT_MS, ...options }, (error, stdout, stderr) => {
            if (error) reject(new Error(`${error.message}\n${stdout}`, { cause: error }));
            else resolve({ stdout, stderr });
        });
        child.stdin.end(input);
    });
}
