// Further clients against the running documents example. Each lists its tools, makes an allowed and a denied call, reads a
// document as a resource and in a prompt, and presents a token that is refused.

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
const TEMPLATES = ['docs://documents/{id}', 'docs://shares/{id}'];
const CLIENT_MS = 30_000;

const run = promisify(execFile);

// `visit` resolves to `{ version, tools, isError, text, progress }`. `explore` lists the resources, templates and prompts, reads a
// document, summarises it and completes its title; it resolves to
// `{ resources, templates, contents, prompts, messages, completed }`. If the token is refused, both reject with an error
// that matches `refused`.
const CLIENTS = [
    { name: 'sdk', version: LEGACY, ...sdk(), refused: /401/ },
    { name: 'python, auto', version: MODERN, ...python('auto'), refused: /invalid_token/ },
    { name: 'python, modern', version: MODERN, ...python(MODERN), refused: /invalid_token/ },
    { name: 'python, legacy', version: LEGACY, ...python('legacy'), refused: /invalid_token/ },
    { name: 'inspector, legacy', version: LEGACY, ...inspector('legacy') },
    { name: 'inspector, modern', version: MODERN, ...inspector('modern') },
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

for (const { name, version, visit, explore, refused, picks, completes = true, reports = true } of CLIENTS) {
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

        test('reads a document as a resource and in a prompt, and completes its id', async () => {
            const ada = await mint(clerk, { user: 'ada', org: 'acme' });
            const title = `Notes of ${name}`;
            const created = await visit(ada, 'create_document', { title, body: 'Weave.' });
            const { id } = JSON.parse(created.text);
            const seen = await explore(ada, id, title);
            assert.deepEqual(seen.resources, ['docs://index']);
            assert.deepEqual(seen.templates, TEMPLATES);
            const [contents] = seen.contents;
            assert.equal(contents.uri, `docs://documents/${id}`);
            assert.equal(contents.mimeType, 'text/markdown');
            assert.equal(contents.text, `# ${title}\n\nWeave.\n`);
            assert.deepEqual(seen.prompts, ['summarise_document']);
            assert.match(seen.messages[0].content.text, /at most 2 sentences/);
            assert.equal(seen.messages[1].content.resource.text, contents.text);
            if (completes) assert.deepEqual(seen.completed, [id]);

            const margaret = await mint(clerk, { user: 'margaret', org: 'globex' });
            await assert.rejects(explore(margaret, id, title), /Unknown resource: docs:/);
        });

        test('shows the progress of an export', { skip: !reports && 'the program shows no progress' }, async () => {
            const scopes = ['profile', 'email', 'user:org:read', 'documents:export'];
            const ada = await mint(clerk, { user: 'ada', org: 'acme', scopes });
            await visit(ada, 'create_document', { title: `Export of ${name}`, body: 'Weave.' });
            const { isError, progress } = await visit(ada, 'export_documents', {});
            assert.equal(isError, false);
            const [done, total, message] = progress.at(-1);
            assert.ok(done === total && total > 0, `${done} of ${total}`);
            assert.equal(typeof message, 'string');
        });

        test('reports a refused token as missing authorization', async () => {
            const expired = await mint(clerk, { user: 'ada', org: 'acme', expires_in: -60 });
            await assert.rejects(visit(expired, 'list_documents', {}), refused);
        });
    });
}

function sdk() {
    const connected = async (token, use) => {
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
            return await use(client, transport);
        } finally {
            await client.close();
        }
    };
    const visit = (token, tool, args) => connected(token, async (client, transport) => {
        const { tools } = await client.listTools();
        const progress = [];
        const onprogress = ({ progress: done, total, message }) => progress.push([done, total, message]);
        const call = { name: tool, arguments: args };
        const { isError = false, content } = await client.callTool(call, undefined, { onprogress });
        const version = transport.protocolVersion;
        return { version, tools: tools.map(({ name }) => name), isError, text: content[0].text, progress };
    });
    const explore = (token, id, title) => connected(token, async (client) => {
        const { resources } = await client.listResources();
        const { resourceTemplates } = await client.listResourceTemplates();
        const { contents } = await client.readResource({ uri: `docs://documents/${id}` });
        const { prompts } = await client.listPrompts();
        const { messages } = await client.getPrompt({ name: 'summarise_document', arguments: summary(id) });
        const ref = { type: 'ref/prompt', name: 'summarise_document' };
        const { completion } = await client.complete({ ref, argument: { name: 'document_id', value: title } });
        return explored(resources, resourceTemplates, contents, prompts, messages, completion);
    });
    return { visit, explore };
}

function python(mode) {
    const program = async (name, token, ...args) => {
        const file = join(import.meta.dirname, 'python', name);
        const { stdout } = await run(PYTHON, [file, example.endpoint, mode, ...args], {
            env: { PATH: process.env.PATH, TOKEN: token },
            timeout: CLIENT_MS,
        });
        const seen = JSON.parse(stdout);
        if (seen.error) throw new Error(`${seen.error}; ${seen.refusals}`);
        return seen;
    };
    return {
        visit: (token, tool, args) => program('client.py', token, tool, JSON.stringify(args)),
        explore: (token, id, title) => program('explore.py', token, id, title),
    };
}

/** The program connects again for each method. */
function inspector(era) {
    const method = async (token, ...method) => JSON.parse(await inspect(era, token, method));
    const visit = async (token, tool, args) => {
        const { protocolVersion } = await method(token, 'initialize');
        const { tools } = await method(token, 'tools/list');
        const call = ['tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
        const { isError = false, content } = await method(token, ...call);
        return { version: protocolVersion, tools: tools.map(({ name }) => name), isError, text: content[0].text };
    };
    const explore = async (token, id) => {
        const { resources } = await method(token, 'resources/list');
        const { resourceTemplates } = await method(token, 'resources/templates/list');
        const { contents } = await method(token, 'resources/read', '--uri', `docs://documents/${id}`);
        const { prompts } = await method(token, 'prompts/list');
        const args = Object.entries(summary(id)).map((pair) => pair.join('='));
        const get = ['prompts/get', '--prompt-name', 'summarise_document', '--prompt-args', ...args];
        const { messages } = await method(token, ...get);
        return explored(resources, resourceTemplates, contents, prompts, messages);
    };
    // The program has no method for completion, and shows no progress.
    return { visit, explore, refused: /auth_required/, picks: true, completes: false, reports: false };
}

/** The arguments of the prompt. */
function summary(id) {
    return { document_id: id, sentences: '2' };
}

function explored(resources, resourceTemplates, contents, prompts, messages, completion) {
    return {
        resources: resources.map(({ uri }) => uri),
        templates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        contents,
        prompts: prompts.map(({ name }) => name),
        messages,
        completed: completion?.values,
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
