// Clients ask their person: a form, a refusal and a confirmation, in both eras. A modern client also listens for changes.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import * as v2 from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

import { PYTHON, issuer, mint, start } from './example.mjs';

const CLIENT_MS = 30_000;
const CAPABILITIES = { elicitation: { form: {} } };
const run = promisify(execFile);

let example;
let token;

before(async () => {
    example = await start('everything');
    token = await mint(await issuer(example.endpoint), { user: 'ada', org: 'acme' });
});
after(async () => assert.equal(await example?.stop(), 0));

for (const [name, Kind, Transport, method, options] of [
    ['sdk, with a session', Client, StreamableHTTPClientTransport, ElicitRequestSchema, {}],
    [
        'client, with a session',
        v2.Client,
        v2.StreamableHTTPClientTransport,
        'elicitation/create',
        { versionNegotiation: { mode: 'legacy' } },
    ],
    [
        'client, modern',
        v2.Client,
        v2.StreamableHTTPClientTransport,
        'elicitation/create',
        { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    ],
]) {
    describe(name, () => {
        const connect = async (answer) => {
            const requestInit = { headers: { Authorization: `Bearer ${token}` } };
            const transport = new Transport(new URL(example.endpoint), { requestInit });
            const client = new Kind({ name: 'interop', version: '1.0.0' }, { capabilities: CAPABILITIES, ...options });
            const asked = [];
            client.setRequestHandler(method, async ({ params }) => {
                asked.push(params);
                return answer(params);
            });
            await client.connect(transport);
            const call = (tool, args) => client.callTool({ name: tool, arguments: args });
            return { client, asked, call };
        };

        test('fills in a form', async () => {
            const account = { username: 'ada', email: 'ada@example.com' };
            const { client, asked, call } = await connect(() => ({ action: 'accept', content: account }));
            const { content } = await call('test_elicitation', { message: 'Who are you?' });
            assert.equal(content[0].text, 'User response: ada <ada@example.com>');
            assert.equal(asked.length, 1);
            assert.equal(asked[0].message, 'Who are you?');
            assert.deepEqual(Object.keys(asked[0].requestedSchema.properties), ['username', 'email']);
            await client.close();
        });

        test('declines', async () => {
            const { client, call } = await connect(() => ({ action: 'decline' }));
            const { content, isError } = await call('test_elicitation', { message: 'Who are you?' });
            assert.equal(isError, true);
            assert.equal(content[0].text, 'The user declined.');
            await client.close();
        });

        test('confirms a call, and does not', async () => {
            for (const [action, text] of [
                ['accept', 'Reset a'],
                ['decline', 'Not confirmed: the user declined.'],
            ]) {
                const { client, asked, call } = await connect(() => ({ action, content: {} }));
                const { content } = await call('reset', { name: 'a' });
                assert.equal(content[0].text, text);
                assert.equal(asked[0].message, 'Reset a?');
                await client.close();
            }
        });
    });
}

test('the modern client learns that a resource changed, and reads it', async () => {
    const documents = await start('documents');
    try {
        const bearer = await mint(await issuer(documents.endpoint), { user: 'ada', org: 'acme' });
        const requestInit = { headers: { Authorization: `Bearer ${bearer}` } };
        const transport = new v2.StreamableHTTPClientTransport(new URL(documents.endpoint), { requestInit });
        const options = { versionNegotiation: { mode: { pin: '2026-07-28' } } };
        const client = new v2.Client({ name: 'interop', version: '1.0.0' }, options);
        const changed = new Promise((resolve) => {
            client.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri));
        });
        await client.connect(transport);
        const subscription = await client.listen({ resourceSubscriptions: ['docs://index', 'docs://nothing'] });
        await client.callTool({ name: 'create_document', arguments: { title: 'Changed', body: 'New' } });
        assert.equal(await changed, 'docs://index');
        const { contents } = await client.readResource({ uri: 'docs://index' }, { cacheMode: 'reload' });
        assert.match(contents[0].text, /Changed/);
        await subscription.close();
        await client.close();
    } finally {
        assert.equal(await documents.stop(), 0);
    }
});

for (const mode of ['2026-07-28', 'legacy']) {
    test(`the Python client, ${mode}, asks its person`, async () => {
        const arguments_ = [join(import.meta.dirname, 'python/questions.py'), example.endpoint, mode];
        const { stdout } = await run(PYTHON, arguments_, { timeout: CLIENT_MS, env: { ...process.env, TOKEN: token } });
        assert.deepEqual(JSON.parse(stdout), {
            form: 'User response: ada <ada@example.com>',
            declined: 'The user declined.',
            confirmed: 'Reset a',
            asked: ['Who are you?', 'Who are you?', 'Reset a?'],
        });
    });
}
