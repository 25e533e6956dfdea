// The example `documents` over TLS, with the HTTP/2 client of node, the HTTPS client of node, and curl.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { mint, start } from './example.mjs';

let folder, ca, server, clerk;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tls-'));
    const [key, certificate] = ['key.pem', 'chain.pem'].map((name) => join(folder, name));
    execFileSync('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
        ...['-keyout', key, '-out', certificate],
    ], { stdio: 'ignore' });
    ca = await readFile(certificate);
    server = await start('documents', { MCP_TLS_CERT: certificate, MCP_TLS_KEY: key });
    const metadata = await overHttp1('GET', '/.well-known/oauth-protected-resource/mcp');
    clerk = JSON.parse(metadata.text).authorization_servers[0];
});

after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true });
});

const message = (method, params) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });

function headers(token) {
    const accept = 'application/json, text/event-stream';
    return { 'content-type': 'application/json', accept, authorization: `Bearer ${token}` };
}

/** A request on a connection of HTTP/2. */
function ask(session, method, path, more = {}, body = '') {
    return new Promise((resolve, reject) => {
        const request = session.request({ ':method': method, ':path': path, ...more });
        let status, text = '';
        request.on('response', (head) => (status = head[':status']));
        request.setEncoding('utf8').on('data', (part) => (text += part));
        request.on('end', () => resolve({ status, text }));
        request.on('error', reject);
        // node ends a GET by itself.
        if (method !== 'GET') request.end(body);
    });
}

/** A request of HTTP/1.1. */
function overHttp1(method, path, more = {}, body = '') {
    const url = new URL(path, server.endpoint);
    return new Promise((resolve, reject) => {
        const request = https.request(url, { method, ca, headers: more }, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (part) => (text += part));
            response.on('end', () => resolve({ status: response.statusCode, version: response.httpVersion, text }));
        });
        request.on('error', reject);
        request.end(body);
    });
}

test('node lists, calls, gets a stream and is denied over HTTP/2', async (t) => {
    const session = http2.connect(new URL(server.endpoint).origin, { ca });
    t.after(() => session.close());
    const ada = headers(await mint(clerk, { user: 'ada', org: 'acme', scopes: 'profile documents:export' }));
    const grace = headers(await mint(clerk, { user: 'grace', org: 'acme' }));
    const call = (head, name, args, meta) =>
        ask(session, 'POST', '/mcp', head, message('tools/call', { name, arguments: args, _meta: meta }));

    const list = await ask(session, 'POST', '/mcp', ada, message('tools/list', {}));
    assert.equal(list.status, 200, list.text);
    assert(JSON.parse(list.text).result.tools.some((tool) => tool.name === 'list_documents'));
    const all = await Promise.all(Array.from({ length: 20 }, () => call(ada, 'list_documents', {})));
    for (const one of all) assert(!JSON.parse(one.text).result.isError, one.text);
    const created = await call(ada, 'create_document', { title: 'Plan', body: 'Begin.' });
    assert(!JSON.parse(created.text).result?.isError, created.text);
    const exported = await call(ada, 'export_documents', {}, { progressToken: 1 });
    assert.match(exported.text, /^event: message\ndata: .*notifications\/progress[^]*"result"/m);
    const denied = await call(grace, 'delete_document', { id: 1 });
    assert.equal(JSON.parse(denied.text).result.isError, true, denied.text);
    assert.equal((await ask(session, 'GET', '/mcp')).status, 401);
});

test('node calls over HTTP/1.1', async () => {
    const ada = headers(await mint(clerk, { user: 'ada', org: 'acme' }));
    const list = await overHttp1('POST', '/mcp', ada, message('tools/list', {}));
    assert.deepEqual([list.status, list.version], [200, '1.1'], list.text);
});

test('curl chooses HTTP/2', async (t) => {
    let version;
    try {
        version = execFileSync('curl', ['--version'], { encoding: 'utf8' });
    } catch {
        return t.skip('there is no curl');
    }
    if (!version.includes('HTTP2')) return t.skip('this curl has no HTTP/2');
    const ada = await mint(clerk, { user: 'ada', org: 'acme' });
    const printed = execFileSync('curl', [
        ...['-sS', '--cacert', join(folder, 'chain.pem'), '-w', '\n%{http_version} %{http_code}'],
        ...['-H', `Authorization: Bearer ${ada}`, '-H', 'Content-Type: application/json'],
        // A body of this length makes curl wait for the status 100.
        ...['-d', message('tools/list', { _meta: { long: 'a'.repeat(60_000) } }), server.endpoint],
    ], { encoding: 'utf8' });
    assert.match(printed, /"list_documents"[^]*\n2 200$/);
});
