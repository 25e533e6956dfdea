// Real clients without a token: each finds the local Clerk from a 401, registers or names its metadata document, signs
// in, calls a tool, refreshes an expired token and reads a resource. With a metadata document the client steps up for a
// tool that requires a scope. Like at Clerk, a client that registers cannot step up beyond its registration; for such clients
// the server advertises the scope from the start.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { once } from 'node:events';

import { UnauthorizedError } from '@modelcontextprotocol/client';

import { serveDocument } from './document.mjs';
import { PYTHON, mint } from './example.mjs';
import {
    BROWSER, DOCUMENT, FIRST, Host, REDIRECT, REGISTRATION, WIDER, call, claims, run, runPython, scopes, serve,
} from './host.mjs';

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
const INSPECTOR = join(import.meta.dirname, 'node_modules/.bin/mcp-inspector');
const CLIENTS = [
    { name: 'typescript, legacy', signIn: typescript('legacy', LEGACY) },
    { name: 'typescript, modern', signIn: typescript({ pin: MODERN }, MODERN) },
    { name: 'python, legacy', signIn: python('legacy', LEGACY) },
    { name: 'python, modern', signIn: python(MODERN, MODERN) },
    { name: 'inspector, legacy', signIn: inspector('legacy') },
    { name: 'inspector, modern', signIn: inspector('modern') },
];

let document;
let callback;
let server;

before(async () => {
    callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
    document = await serveDocument([REDIRECT, callback]);
});
after(() => document?.stop());

for (const [format, jwt] of [['jwt', true], ['opaque', false]]) {
    for (const [way, settings] of [['registration', REGISTRATION], ['document', DOCUMENT]]) {
        describe(`${format} tokens, ${way}`, () => {
            for (const { name, signIn } of CLIENTS) {
                test(name, async (t) => {
                    const stepsUp = way === 'document';
                    const variables = stepsUp ? {} : { ADVERTISE_ALL_SCOPES: '1' };
                    server = await serve(t, document, { ...settings, oauth_jwt_access_tokens: jwt }, variables);
                    const times = new Times();
                    const seen = await signIn({ format, way, stepsUp, times });

                    assert.equal(seen.called, 'user_ada');
                    assert.equal(seen.refreshed, 'user_ada');
                    assert.equal(seen.written, 'user_ada wrote Plan');
                    assert.equal(seen.organization, 'org_acme, org:admin');
                    assert.equal(seen.read, 'user_ada');
                    // A refresh needs no consent, and a step-up needs one.
                    const asked = seen.authorizations.map((url) => new URL(url).searchParams);
                    assert.deepEqual(asked.map(scopes), stepsUp ? [FIRST, WIDER] : [WIDER]);
                    for (const authorization of asked) {
                        assert.equal(authorization.get('code_challenge_method'), 'S256');
                        assert.equal(authorization.get('resource'), server.endpoint);
                        if (way === 'document') assert.equal(authorization.get('client_id'), document.url);
                        else assert.match(authorization.get('client_id'), /^client_/);
                    }
                    assert.equal(seen.tokens.length, new Set(seen.tokens).size, 'each token is a new one');
                    for (const token of seen.tokens) {
                        assert.match(token, jwt ? /^ey/ : /^oat_/);
                        if (jwt) assert.equal(claims(token).aud, server.endpoint);
                    }
                    t.diagnostic(times.toString());
                });
            }
        });
    }
}

test('a client steps up to read a resource that requires a scope', async (t) => {
    for (const mode of ['legacy', { pin: MODERN }]) {
        const host = new Host(await serve(t, document, DOCUMENT));
        await assert.rejects(host.connect(mode), (error) => UnauthorizedError.isInstance(error));
        await host.finish();
        const { client, transport } = await host.connect(mode);

        const narrow = text(client, 'documents://drafts');
        await assert.rejects(narrow, (error) => UnauthorizedError.isInstance(error));
        await host.finish(transport);
        assert.equal(await text(client, 'documents://drafts'), 'The drafts of user_ada');
        const asked = host.authorizations.map((url) => scopes(new URL(url).searchParams));
        assert.deepEqual(asked, [FIRST, WIDER]);
        await client.close();
    }
});

test('a client is refused a step-up beyond the scopes it registered with, and is not given a narrow token', async (t) => {
    const host = new Host(await serve(t, document, REGISTRATION));
    await assert.rejects(host.connect('legacy'), (error) => UnauthorizedError.isInstance(error));
    await host.finish();
    const { client } = await host.connect('legacy');

    const narrow = call(client, 'write_document', { title: 'Plan' });
    await assert.rejects(narrow, (error) => UnauthorizedError.isInstance(error));
    const answer = await fetch(host.authorizations.at(-1), { redirect: 'manual' });
    const { searchParams } = new URL(answer.headers.get('location'));
    assert.equal(searchParams.get('error'), 'invalid_scope');
    assert.match(searchParams.get('error_description'), /documents:write: it is not among the scopes it registered with/);
    await client.close();
});

/** The official TypeScript client. Its host opens the browser and returns the response. */
function typescript(mode, version) {
    return async ({ format, way, stepsUp, times }) => {
        const host = new Host(server);
        let { client, transport } = await host.connect(mode).catch(async (error) => {
            assert.ok(UnauthorizedError.isInstance(error), error);
            await host.finish();
            return host.connect(mode);
        });
        assert.equal(client.getNegotiatedProtocolVersion(), version);
        const tokens = [host.saved.tokens.access_token];
        const called = await call(client, 'who_am_i');
        times.took('sign-in');
        assert.deepEqual(host.requests.slice(0, way === 'registration' ? 5 : 4), [
            'POST server /mcp 401',
            'GET server /.well-known/oauth-protected-resource/mcp 200',
            'GET clerk /.well-known/oauth-authorization-server 200',
            ...(way === 'registration' ? ['POST clerk /oauth/register 201'] : []),
            'POST clerk /oauth/token 200',
        ]);

        // A day later.
        host.saved.tokens.access_token = await expired(format, host.saved.client.client_id);
        times.restart();
        const refreshed = await call(client, 'who_am_i');
        tokens.push(host.saved.tokens.access_token);
        times.took('refresh');
        assert.deepEqual(host.requests.slice(-3), [
            'POST server /mcp 401',
            'POST clerk /oauth/token 200',
            'POST server /mcp 200',
        ]);

        if (stepsUp) {
            const narrow = call(client, 'write_document', { title: 'Plan' });
            await assert.rejects(narrow, (error) => UnauthorizedError.isInstance(error));
            await host.finish(transport);
        }
        const written = await call(client, 'write_document', { title: 'Plan' });
        if (stepsUp) {
            tokens.push(host.saved.tokens.access_token);
            times.took('step-up');
            assert.deepEqual(host.requests.slice(-3), [
                'POST server /mcp 403',
                'POST clerk /oauth/token 200',
                'POST server /mcp 200',
            ]);
        }

        const organization = await call(client, 'organization');
        const read = await text(client, 'documents://me');
        await client.close();
        return { called, refreshed, written, organization, read, tokens, authorizations: host.authorizations };
    };
}

/** The Python client, in a separate program. */
function python(mode, version) {
    return async ({ times }) => {
        const args = [server.endpoint, mode, REDIRECT, document.url, BROWSER, server.clerk];
        const { took, version: spoken, ...seen } = await runPython(PYTHON, 'end_to_end.py', args);
        assert.equal(spoken, version);
        for (const [what, ms] of Object.entries(took)) times.add(what, ms);
        return seen;
    };
}

/** The command line of the Inspector, which opens a browser and listens for the response itself. */
function inspector(era) {
    return async ({ format, stepsUp, times }) => {
        const home = await mkdtemp(join(tmpdir(), 'inspector-'));
        try {
            const visited = join(home, 'visited');
            const visits = async () => (await readFile(visited, 'utf8')).trim().split('\n');
            const inspect = async (...method) => {
                // The Inspector steps up only if it knows a metadata document, even if it does not use the document.
                const options = [
                    '--cli', server.endpoint, '--transport', 'http', '--protocol-era', era, '--quiet',
                    '--callback-url', callback, '--client-metadata-url', document.url,
                    '--method', ...method,
                ];
                const env = {
                    PATH: process.env.PATH,
                    HOME: home,
                    MCP_AUTO_OPEN_ENABLED: 'true',
                    MCP_INSPECTOR_SECRET_STORE: 'file',
                    BROWSER,
                    VISITED: visited,
                };
                // The Inspector asks its user whether to step up.
                const { stdout } = await run(process.execPath, [INSPECTOR, ...options], { env }, 'y\n');
                return JSON.parse(stdout);
            };
            const callTool = async (tool, args = {}) => {
                const call = ['--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
                return (await inspect('tools/call', ...call)).content[0].text;
            };
            const tokens = [];
            const called = await callTool('who_am_i');
            tokens.push(await keptByInspector(home));
            times.took('sign-in');

            // A day later.
            const [authorization] = await visits();
            await keptByInspector(home, await expired(format, new URL(authorization).searchParams.get('client_id')));
            times.restart();
            const refreshed = await callTool('who_am_i');
            tokens.push(await keptByInspector(home));
            times.took('refresh');

            const written = await callTool('write_document', { title: 'Plan' });
            if (stepsUp) {
                tokens.push(await keptByInspector(home));
                times.took('step-up');
            }

            const organization = await callTool('organization');
            const { contents } = await inspect('resources/read', '--uri', 'documents://me');
            const read = contents[0].text;
            return { called, refreshed, written, organization, read, tokens, authorizations: await visits() };
        } finally {
            await rm(home, { recursive: true });
        }
    };
}

/** The access token that the Inspector stores in its home directory. With `token` the stored token is replaced. */
async function keptByInspector(home, token) {
    const file = join(home, '.mcp-inspector/secrets.json');
    const kept = JSON.parse(await readFile(file));
    const [name] = Object.keys(kept.secrets).filter((name) => name.includes(':tokens:'));
    const tokens = JSON.parse(kept.secrets[name]);
    if (token) {
        kept.secrets[name] = JSON.stringify({ ...tokens, access_token: token });
        await writeFile(file, JSON.stringify(kept));
    }
    return tokens.access_token;
}

/** Reads a resource. Resolves to its text. */
async function text(client, uri) {
    const { contents } = await client.readResource({ uri });
    return contents[0].text;
}

/** The duration of each part of a flow. */
class Times {
    #last = performance.now();
    #took = [];

    restart() {
        this.#last = performance.now();
    }

    took(what) {
        this.add(what, performance.now() - this.#last);
        this.restart();
    }

    add(what, ms) {
        this.#took.push(`${what} ${Math.round(ms)} ms`);
    }

    toString() {
        return this.#took.join(', ');
    }
}

/** The tokens of a client whose access token has expired. */
function expired(format, client) {
    return mint(server.clerk, { user: 'ada', org: 'acme', client_id: client, format, expires_in: -60 });
}

async function freePort() {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address();
    listener.close();
    return port;
}
