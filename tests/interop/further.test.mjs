// Further clients against the running documents example. Each lists its tools, makes an allowed and a denied call, and
// presents a token that is refused.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { PYTHON, issuer, mint, start } from './example.mjs';

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
// A tool that lacks only a scope is shown, because a new token could have the scope.
const READER_TOOLS = ['export_documents', 'get_document', 'list_documents', 'preview_document', 'server_status'];
const WRITER_TOOLS = ['create_document', 'delete_document', 'share_document', 'update_document'];
const ALL_TOOLS = [...READER_TOOLS, ...WRITER_TOOLS].toSorted();
const CLIENT_MS = 30_000;

const run = promisify(execFile);

// `visit` resolves to `{ version, tools, isError, text }`. If the token is refused, it rejects with an error that
// matches `refused`.
const CLIENTS = [
    { name: 'sdk', version: LEGACY, visit: sdk, refused: /401/ },
    { name: 'python, auto', version: MODERN, visit: python('auto'), refused: /invalid_token/ },
    { name: 'python, modern', version: MODERN, visit: python(MODERN), refused: /invalid_token/ },
    { name: 'python, legacy', version: LEGACY, visit: python('legacy'), refused: /invalid_token/ },
    { name: 'inspector, legacy', version: LEGACY, visit: inspector('legacy'), refused: /auth_required/, picks: true },
    { name: 'inspector, modern', version: MODERN, visit: inspector('modern'), refused: /auth_required/, picks: true },
];

let example;
let clerk;
let home;

before(async () => {
    example = await start('documents');
    clerk = await issuer(example.endpoint);
    home = await mkdtemp(join(tmpdir(), 'interop-'));
});
after(async () => {
    await example?.stop();
    if (home) await rm(home, { recursive: true });
});

for (const { name, version, visit, refused, picks } of CLIENTS) {
    describe(name, () => {
        test('lists the caller\'s own tools and calls an allowed one', async () => {
            const ada = await mint(clerk, { user: 'ada', org: 'acme' });
            const created = await visit(ada, 'create_document', { title: name, body: 'Weave.' });
            assert.deepEqual(created.tools.toSorted(), ALL_TOOLS);
            assert.equal(created.version, version);
            assert.equal(created.isError, false, created.text);
            assert.equal(JSON.parse(created.text).title, name);

            const grace = await mint(clerk, { user: 'grace', org: 'acme' });
            const listed = await visit(grace, 'list_documents', {});
            assert.deepEqual(listed.tools.toSorted(), READER_TOOLS);
            assert.ok(listed.text.includes(`"${name}"`), listed.text);
        });

        test('shows the text of a denial', async () => {
            const linus = await mint(clerk, { user: 'linus' });
            const outside = await visit(linus, 'list_documents', {});
            assert.equal(outside.isError, true);
            assert.equal(outside.text, 'Organization context required');

            const grace = await mint(clerk, { user: 'grace', org: 'acme' });
            const attempt = visit(grace, 'delete_document', { document_id: 'doc_1' });
            if (picks) {
                // The client calls only tools that were in the list.
                await assert.rejects(attempt, /tool_not_found/);
                return;
            }
            const denied = await attempt;
            assert.equal(denied.isError, true);
            assert.equal(denied.text, 'Forbidden: org:documents:delete permission required');
        });

        test('reports a refused token as missing authorization', async () => {
            const expired = await mint(clerk, { user: 'ada', org: 'acme', expires_in: -60 });
            await assert.rejects(visit(expired, 'list_documents', {}), refused);
        });
    });
}

async function sdk(token, tool, args) {
    const client = new Client({ name: 'interop', version: '1.0.0' });
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    const transport = new StreamableHTTPClientTransport(new URL(example.endpoint), { requestInit });
    try {
        await client.connect(transport);
    } catch (error) {
        // The error has the status in a field, not in its text.
        throw new Error(`${error.code}`, { cause: error });
    }
    try {
        const { tools } = await client.listTools();
        const { isError = false, content } = await client.callTool({ name: tool, arguments: args });
        const version = transport.protocolVersion;
        return { version, tools: tools.map(({ name }) => name), isError, text: content[0].text };
    } finally {
        await client.close();
    }
}

function python(mode) {
    return async (token, tool, args) => {
        const program = [join(import.meta.dirname, 'python/client.py'), example.endpoint, mode, tool, JSON.stringify(args)];
        const { stdout } = await run(PYTHON, program, {
            env: { PATH: process.env.PATH, TOKEN: token },
            timeout: CLIENT_MS,
        });
        const seen = JSON.parse(stdout);
        if (seen.error) throw new Error(`${seen.error}; ${seen.refusals}`);
        return seen;
    };
}

/** The program connects again for each method. */
function inspector(era) {
    return async (token, tool, args) => {
        const { protocolVersion } = JSON.parse(await inspect(era, token, ['initialize']));
        const { tools } = JSON.parse(await inspect(era, token, ['tools/list']));
        const call = ['tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
        const { isError = false, content } = JSON.parse(await inspect(era, token, call));
        return { version: protocolVersion, tools: tools.map(({ name }) => name), isError, text: content[0].text };
    };
}

async function inspect(era, token, method) {
    const program = join(import.meta.dirname, 'node_modules/.bin/mcp-inspector');
    const options = ['--cli', example.endpoint, '--transport', 'http', '--protocol-era', era, '--quiet',
        '--header', `Authorization: Bearer ${token}`, '--method', ...method];
    // The program stores files in the home directory.
    const env = { PATH: process.env.PATH, HOME: home };
    try {
        const { stdout } = await run(process.execPath, [program, ...options], { env, timeout: CLIENT_MS });
        return stdout;
    } catch (error) {
        // The program prints a result with an error too, and exits with a special code.
        if (error.stdout && error.stderr.includes('tool_is_error')) return error.stdout;
        throw error;
    }
}
