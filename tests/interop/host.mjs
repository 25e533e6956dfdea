// The parts that the tests with a sign-in share: the settings of the local Clerk, the host of the official TypeScript
// client, and the start of clients that are programs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { allow } from './consenting.mjs';
import { issuer, start } from './example.mjs';

const CLIENT_MS = 30_000;
/** The program that clients in other languages open as their browser. */
export const BROWSER = join(import.meta.dirname, 'consenting.mjs');
/** The redirect URI of clients that read the response from the redirect. */
export const REDIRECT = 'http://127.0.0.1:6275/callback';
/** The scopes of the first challenge, and the scope that clients add to get a refresh token. */
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
 * Starts a server for one test, with these settings of its local Clerk and these variables. The local Clerk trusts the
 * certificate of the client's `document`.
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

/** The host of the TypeScript client: it stores tokens and opens the browser. */
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
    /** The requests, with the status of each response. */
    requests = [];
    saved = {};

    constructor(server) {
        this.server = server;
    }

    /** A client with a document still registers itself if the issuer does not accept documents. */
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

/** Calls a tool and expects success. Resolves to the text of the result. */
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

/** The scopes of an authorization request. */
export function scopes(asked) {
    return asked.get('scope').split(' ').toSorted();
}

/** Runs a program to its end. If it fails, the error has its output. */
export function run(program, args, options, input = '') {
    return new Promise((resolve, reject) => {
        const child = execFile(program, args, { timeout: CLIENT_MS, ...options }, (error, stdout, stderr) => {
            if (error) reject(new Error(`${error.message}\n${stdout}`, { cause: error }));
            else resolve({ stdout, stderr });
        });
        child.stdin.end(input);
    });
}
