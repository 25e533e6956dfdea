// A discoverable server: real clients connect without a token, list all tools and call the public tool, and sign in
// when they call a guarded tool.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { UnauthorizedError } from '@modelcontextprotocol/client';

import { serveDocument } from './document.mjs';
import { PYTHON } from './example.mjs';
import {
    BROWSER, DOCUMENT, Host, REDIRECT, REGISTRATION, WIDER, call, claims, runPython, scopes, serve,
} from './host.mjs';

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
/** The security schemes of each tool. */
const SCHEMES = {
    greet: [{ type: 'noauth' }],
    organization: [{ type: 'oauth2', scopes: ['user:org:read'] }],
    who_am_i: [{ type: 'oauth2', scopes: [] }],
    write_document: [{ type: 'oauth2', scopes: ['documents:write'] }],
};
const CLIENTS = [
    { name: 'typescript, legacy', version: LEGACY, visit: typescript('legacy') },
    { name: 'typescript, modern', version: MODERN, visit: typescript({ pin: MODERN }) },
    { name: 'python, legacy', version: LEGACY, visit: python('legacy') },
    { name: 'python, modern', version: MODERN, visit: python(MODERN) },
];

let document;

before(async () => {
    document = await serveDocument([REDIRECT]);
});
after(() => document?.stop());

for (const [way, settings] of [['registration', REGISTRATION], ['document', DOCUMENT]]) {
    describe(way, () => {
        for (const { name, version, visit } of CLIENTS) {
            test(name, async (t) => {
                const server = await serve(t, document, settings, { DISCOVERABLE: '1' });
                const seen = await visit(server);

                assert.equal(seen.version, version);
                assert.deepEqual(seen.schemes, SCHEMES);
                assert.equal(seen.greeted, 'hello');
                assert.equal(seen.before, 0, 'to connect, to list and to call a public tool starts no sign-in');
                assert.equal(seen.written, 'user_ada wrote Plan');
                assert.equal(seen.again, 'user_ada wrote Plan');
                assert.equal(seen.organization, 'org_acme, org:admin');
                // The challenge includes the scope of the tool, so one sign-in is enough.
                const asked = seen.authorizations.map((url) => new URL(url).searchParams);
                assert.deepEqual(asked.map(scopes), [WIDER]);
                assert.equal(asked[0].get('resource'), server.endpoint);
                assert.deepEqual(seen.tokens.map((token) => claims(token).aud), [server.endpoint]);
            });
        }
    });
}

/** The official TypeScript client. Its host opens the browser and returns the response. */
function typescript(mode) {
    return async (server) => {
        const host = new Host(server);
        const { client, transport } = await host.connect(mode);
        const { tools } = await client.listTools();
        const schemes = Object.fromEntries(tools.map(({ name, _meta }) => [name, _meta?.securitySchemes]));
        const greeted = await call(client, 'greet');
        const before = host.authorizations.length;

        const guarded = call(client, 'write_document', { title: 'Plan' });
        await assert.rejects(guarded, (error) => UnauthorizedError.isInstance(error));
        await host.finish(transport);
        const written = await call(client, 'write_document', { title: 'Plan' });
        const again = await call(client, 'write_document', { title: 'Plan' });
        const organization = await call(client, 'organization');
        const version = client.getNegotiatedProtocolVersion();
        await client.close();
        const { authorizations, saved } = host;
        const tokens = [saved.tokens.access_token];
        return { version, schemes, greeted, before, written, again, organization, authorizations, tokens };
    };
}

/** The Python client, in a separate program. */
function python(mode) {
    return ({ endpoint }) => runPython(PYTHON, 'discovery.py', [endpoint, mode, REDIRECT, document.url, BROWSER]);
}
