// Clients that start the server as a program: they list the tools, call one, see a denial, and answer questions.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import * as v2 from '@modelcontextprotocol/client';
import * as v2stdio from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

import { BINARIES, PYTHON, issuer, mint, start } from './example.mjs';

const CLIENT_MS = 30_000;
const CAPABILITIES = { elicitation: { form: {} } };
const PROGRAM = join(BINARIES, 'stdio');
const DENIED = 'Forbidden: org:documents:share permission required';
const run = promisify(execFile);

let clerk;
let withToken;

before(async () => {
    // The local Clerk of another server issues the token.
    clerk = await start('quickstart');
    const url = await issuer(clerk.endpoint);
    const token = await mint(url, { user: 'grace', org: 'acme' });
    // Without the secret key, the server knows no permissions.
    withToken = { MCP_AUTH_TOKEN: token, CLERK_FRONTEND_API_URL: url };
});
after(async () => assert.equal(await clerk?.stop(), 0));

for (const [name, Kind, Transport, method, options] of [
    ['sdk', Client, StdioClientTransport, ElicitRequestSchema, {}],
    [
        'client, legacy',
        v2.Client,
        v2stdio.StdioClientTransport,
        'elicitation/create',
        { versionNegotiation: { mode: 'legacy' } },
    ],
    [
        'client, modern',
        v2.Client,
        v2stdio.StdioClientTransport,
        'elicitation/create',
        { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    ],
    [
        'client, which probes for the version',
        v2.Client,
        v2stdio.StdioClientTransport,
        'elicitation/create',
        { versionNegotiation: { mode: 'auto' } },
    ],
]) {
    describe(name, () => {
        const connect = async (env, answer) => {
            const transport = new Transport({ command: PROGRAM, env, stderr: 'ignore' });
            const client = new Kind({ name: 'interop', version: '1.0.0' }, { capabilities: CAPABILITIES, ...options });
            client.setRequestHandler(method, async ({ params }) => answer(params));
            const errors = [];
            client.onerror = (error) => errors.push(String(error));
            await client.connect(transport);
            const call = async (tool, args = {}) => {
                const { content, isError } = await client.callTool({ name: tool, arguments: args });
                return { text: content[0].text, isError: isError ?? false };
            };
            const close = async () => {
                await client.close();
                assert.deepEqual(errors, []);
            };
            return { client, call, close };
        };

        test('lists the tools of a local user, calls one, and sees a denial', async () => {
            const { client, call, close } = await connect({ LOCAL_USER: 'ada' });
            const names = (await client.listTools()).tools.map((tool) => tool.name);
            assert.ok(names.includes('read_documents') && !names.includes('share_documents'), names);
            assert.deepEqual(await call('read_documents'), { text: 'Documents of acme', isError: false });
            assert.deepEqual(await call('share_documents'), { text: DENIED, isError: true });
            await close();
        });

        test('calls as the owner of a token', async () => {
            const { call, close } = await connect(withToken);
            assert.equal((await call('who_am_i')).text, 'user_grace');
            await close();
        });

        test('shows why a token is refused', async () => {
            const refused = connect({ ...withToken, MCP_AUTH_TOKEN: 'expired' });
            // A client that speaks one revision only does not show the error of its first request.
            const shown = name === 'client, modern' ? /Version negotiation failed/ : /set MCP_AUTH_TOKEN to a new token/;
            await assert.rejects(refused, shown);
        });

        test('answers a question, and declines it', async () => {
            for (const [answer, text] of [
                [{ action: 'accept', content: { username: 'ada' } }, 'Registered ada'],
                [{ action: 'decline' }, 'The user declined.'],
            ]) {
                const { call, close } = await connect({ LOCAL_USER: 'ada' }, () => answer);
                assert.equal((await call('register')).text, text);
                await close();
            }
        });

        test('is not disturbed by a function that prints', async () => {
            const { call, close } = await connect({ LOCAL_USER: 'ada' });
            assert.equal((await call('shout')).text, 'Shouted');
            await close();
        });
    });
}

for (const mode of ['2026-07-28', 'legacy']) {
    test(`the Python client, ${mode}`, async () => {
        const arguments_ = [join(import.meta.dirname, 'python/stdio.py'), PROGRAM, mode];
        const { stdout } = await run(PYTHON, arguments_, { timeout: CLIENT_MS });
        const { tools, ...seen } = JSON.parse(stdout);
        assert.ok(tools.includes('read_documents') && !tools.includes('share_documents'), tools);
        assert.deepEqual(seen, {
            called: 'Documents of acme',
            denied: DENIED,
            form: 'Registered ada',
            declined: 'The user declined.',
        });
    });
}

test('the example speaks over stdio, and ends with its input', async () => {
    const child = spawn(join(BINARIES, 'everything'), ['--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let printed = '';
    child.stdout.on('data', (text) => (printed += text));
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    assert.equal(await exited, 0);
    assert.deepEqual(JSON.parse(printed), { jsonrpc: '2.0', id: 1, result: {} });
});
