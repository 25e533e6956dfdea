// Clients of older revisions with a session: they open it, call, use the stream for messages that belong to no call, get a
// result whose stream was closed, cancel, and end the session.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import * as v2 from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { PYTHON, issuer, mint, start } from './example.mjs';

const LEGACY = '2025-11-25';
const WATCHED = 'test://watched-resource';
const CLIENT_MS = 30_000;
const run = promisify(execFile);

let example;
let clerk;

before(async () => {
    example = await start('everything');
    clerk = await issuer(example.endpoint);
});
after(async () => {
    // An open stream must not delay the shutdown.
    const stopping = performance.now();
    assert.equal(await example?.stop(), 0);
    assert.ok(performance.now() - stopping < 3_000, 'the shutdown took too long');
});

for (const [name, Kind, Transport, options] of [
    ['sdk', Client, StreamableHTTPClientTransport, {}],
    ['client', v2.Client, v2.StreamableHTTPClientTransport, { versionNegotiation: { mode: 'legacy' } }],
]) {
    describe(name, () => {
        const connect = async (token) => {
            const sent = [];
            const recorded = async (url, init = {}) => {
                const answer = await fetch(url, init);
                sent.push({ method: init.method ?? 'GET', status: answer.status, session: answer.headers.get('mcp-session-id') });
                return answer;
            };
            const requestInit = { headers: { Authorization: `Bearer ${token}` } };
            const transport = new Transport(new URL(example.endpoint), { requestInit, fetch: recorded });
            const client = new Kind({ name: 'interop', version: '1.0.0' }, options);
            await client.connect(transport);
            return { client, transport, sent };
        };
        const ada = () => mint(clerk, { user: 'ada', org: 'acme' });

        test('opens a session and the stream for messages, calls, and ends the session', async () => {
            const { client, transport, sent } = await connect(await ada());
            assert.equal(sent[0].session, transport.sessionId);
            assert.ok(transport.sessionId.length >= 43);
            await until(() => sent.some(({ method, status }) => method === 'GET' && status === 200), 'the stream is open');
            const { content } = await client.callTool({ name: 'test_simple_text', arguments: {} });
            assert.equal(content[0].type, 'text');
            assert.deepEqual(await client.subscribeResource({ uri: WATCHED }), {});
            assert.deepEqual(await client.unsubscribeResource({ uri: WATCHED }), {});
            await assert.rejects(client.subscribeResource({ uri: 'test://nothing' }), /Unknown resource/);
            await transport.terminateSession();
            assert.equal(sent.at(-1).status, 204);
            await client.close();
        });

        test('gets a result whose stream the server closed', async () => {
            const { client, sent } = await connect(await ada());
            const { content } = await client.callTool({ name: 'test_reconnection', arguments: {} });
            assert.match(content[0].text, /after the stream was closed/);
            const opened = sent.filter(({ method, status }) => method === 'GET' && status === 200);
            // One GET is for messages, and one resumes the call.
            assert.equal(opened.length, 2);
            await client.close();
        });

        // The second argument of version 1 is the schema of the result.
        const call = (client, tool, options) => {
            const request = { name: tool, arguments: {} };
            return name === 'sdk' ? client.callTool(request, undefined, options) : client.callTool(request, options);
        };

        test('sets the level of its session, and gets progress', async () => {
            const { client } = await connect(await ada());
            await client.setLoggingLevel('info');
            const progress = [];
            await call(client, 'test_tool_with_progress', { onprogress: (report) => progress.push(report.progress) });
            assert.deepEqual(progress, [0, 50, 100]);
            await client.close();
        });

        test('cancels a call', async () => {
            const { client, sent } = await connect(await ada());
            const abort = new AbortController();
            const cancelled = call(client, 'test_tool_with_progress', { signal: abort.signal, onprogress: () => abort.abort('enough') });
            await assert.rejects(cancelled);
            assert.deepEqual(await client.ping(), {});
            assert.ok(sent.every(({ status }) => status < 400), JSON.stringify(sent));
            await client.close();
        });

        test('cannot use the session of another user', async () => {
            const { client, transport } = await connect(await ada());
            const grace = await mint(clerk, { user: 'grace', org: 'acme' });
            const answer = await fetch(example.endpoint, {
                method: 'POST',
                headers: {
                    Authorization: `Bearer ${grace}`,
                    'Content-Type': 'application/json',
                    Accept: 'application/json, text/event-stream',
                    'MCP-Protocol-Version': LEGACY,
                    'Mcp-Session-Id': transport.sessionId,
                },
                body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
            });
            assert.equal(answer.status, 404);
            assert.deepEqual(await client.ping(), {});
            await client.close();
        });
    });
}

test('the Python client opens a session, calls, gets a late result, and ends the session', async () => {
    const token = await mint(clerk, { user: 'ada', org: 'acme' });
    const file = join(import.meta.dirname, 'python/sessions.py');
    const { stdout } = await run(PYTHON, [file, example.endpoint], {
        env: { PATH: process.env.PATH, TOKEN: token },
        timeout: CLIENT_MS,
    });
    const seen = JSON.parse(stdout);
    assert.equal(seen.error, undefined);
    assert.equal(seen.version, LEGACY);
    assert.match(seen.text, /simple text/);
    assert.match(seen.late, /after the stream was closed/);
    const [initialize] = seen.sent;
    assert.ok(initialize.session.length >= 43);
    assert.ok(seen.sent.some(({ method, status }) => method === 'GET' && status === 200));
    assert.deepEqual(seen.sent.filter(({ method }) => method === 'DELETE').map(({ status }) => status), [204]);
});

/** Waits until a condition holds. */
async function until(condition, what) {
    const deadline = performance.now() + 5_000;
    while (!condition()) {
        assert.ok(performance.now() < deadline, `never: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
