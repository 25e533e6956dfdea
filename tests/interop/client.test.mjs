// The official TypeScript client against the running documents example, in each era that it supports.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
    Client,
    StreamableHTTPClientTransport,
    UnauthorizedError,
    discoverAuthorizationServerMetadata,
    discoverOAuthProtectedResourceMetadata,
    extractWWWAuthenticateParams,
} from '@modelcontextprotocol/client';

import { issuer, mint, start } from './example.mjs';

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
// A tool that lacks only a scope is shown, because a new token could have the scope.
const READER_TOOLS = ['export_documents', 'get_document', 'list_documents', 'preview_document', 'server_status'];
const WRITER_TOOLS = ['create_document', 'delete_document', 'share_document', 'update_document'];
const ALL_TOOLS = [...READER_TOOLS, ...WRITER_TOOLS].toSorted();
const TEMPLATES = ['docs://documents/{id}', 'docs://shares/{id}'];

let example;
let clerk;

before(async () => {
    example = await start('documents');
    clerk = await issuer(example.endpoint);
});
after(() => example?.stop());

for (const [name, mode, version] of [
    ['legacy', 'legacy', LEGACY],
    ['modern', { pin: MODERN }, MODERN],
    ['negotiated', 'auto', MODERN],
]) {
    describe(`${name} client`, () => {
        test('the list of tools is the caller\'s own', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            assert.equal(ada.getNegotiatedProtocolVersion(), version);
            assert.equal(ada.getServerVersion().name, 'documents');
            assert.deepEqual(await toolNames(ada), ALL_TOOLS);
            const grace = await connect(mode, await token({ user: 'grace', org: 'acme' }));
            assert.deepEqual(await toolNames(grace), READER_TOOLS);
            await Promise.all([ada.close(), grace.close()]);
        });

        test('a document is created, listed, read and deleted', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            // After listing the tools, the client checks each structured result against its schema.
            await ada.listTools();
            const document = await create(ada, 'Plan');
            assert.equal(document.created_by, 'user_ada');
            assert.ok((await ids(ada)).includes(document.id));

            const found = await call(ada, 'get_document', { document_id: document.id });
            assert.deepEqual(found.structuredContent, document);
            assert.deepEqual(JSON.parse(found.content[0].text), document);
            const deleted = await call(ada, 'delete_document', { document_id: document.id });
            assert.equal(text(deleted), `Document ${document.id} deleted`);
            assert.ok(!(await ids(ada)).includes(document.id));
            await ada.close();
        });

        test('a call without the permission is denied, and no document is deleted', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            const grace = await connect(mode, await token({ user: 'grace', org: 'acme' }));
            const { id } = await create(ada, 'Plan');

            const denied = await call(grace, 'delete_document', { document_id: id });
            assert.equal(denied.isError, true);
            assert.equal(text(denied), 'Forbidden: org:documents:delete permission required');
            assert.ok((await ids(grace)).includes(id));
            await Promise.all([ada.close(), grace.close()]);
        });

        test('a caller in no organization gets a denial that says so', async () => {
            const linus = await connect(mode, await token({ user: 'linus' }));
            const denied = await call(linus, 'list_documents', {});
            assert.equal(denied.isError, true);
            assert.equal(text(denied), 'Organization context required');
            await linus.close();
        });

        test('another organization\'s document is answered like a missing one', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            const margaret = await connect(mode, await token({ user: 'margaret', org: 'globex' }));
            const { id } = await create(ada, 'Plan');
            for (const foreign of [id, 'doc_never_was']) {
                const answer = await call(margaret, 'get_document', { document_id: foreign });
                assert.equal(answer.isError, true);
                assert.equal(text(answer), `Document ${foreign} not found`);
            }
            assert.ok(!(await ids(margaret)).includes(id));
            await Promise.all([ada.close(), margaret.close()]);
        });

        test('a document is found as a resource, put into a prompt, and completed', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            const title = `${name} resource`;
            const { id } = await create(ada, title);
            const uri = `docs://documents/${id}`;

            const { resources } = await ada.listResources();
            assert.deepEqual(resources.map((resource) => resource.uri), ['docs://index']);
            const index = await ada.readResource({ uri: 'docs://index' });
            assert.equal(index.contents[0].mimeType, 'application/json');
            const { documents } = JSON.parse(index.contents[0].text);
            assert.ok(documents.some((document) => document.uri === uri && document.title === title));

            const { resourceTemplates } = await ada.listResourceTemplates();
            assert.deepEqual(resourceTemplates.map((template) => template.uriTemplate), TEMPLATES);
            const { contents } = await ada.readResource({ uri });
            const text = `# ${title}\n\nWeave algebraical patterns.\n`;
            assert.deepEqual(contents, [{ uri, mimeType: 'text/markdown', text }]);

            const { prompts } = await ada.listPrompts();
            assert.deepEqual(prompts.map((prompt) => prompt.name), ['summarise_document']);
            const args = { document_id: id, sentences: '2' };
            const { messages } = await ada.getPrompt({ name: 'summarise_document', arguments: args });
            assert.match(messages[0].content.text, /at most 2 sentences/);
            assert.deepEqual(messages[1].content.resource, contents[0]);

            for (const [ref, argument] of [
                [{ type: 'ref/prompt', name: 'summarise_document' }, 'document_id'],
                [{ type: 'ref/resource', uri: TEMPLATES[0] }, 'id'],
            ]) {
                const { completion } = await ada.complete({ ref, argument: { name: argument, value: title } });
                assert.deepEqual(completion.values, [id]);
            }
            await ada.close();
        });

        test('the progress of an export is shown', async () => {
            const scopes = ['profile', 'email', 'user:org:read', 'documents:export'];
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme', scopes }));
            await create(ada, `Export of ${name}`);
            const progress = [];
            const call = { name: 'export_documents', arguments: {} };
            const exported = await ada.callTool(call, { onprogress: (report) => progress.push(report) });
            assert.ok(exported.content[0].resource.text.includes(`# Export of ${name}`));
            const { progress: done, total } = progress.at(-1);
            assert.ok(done === total && total > 0, `${done} of ${total}`);
            await ada.close();
        });

        test('a resource that the caller may not read is unknown', async () => {
            const ada = await connect(mode, await token({ user: 'ada', org: 'acme' }));
            const margaret = await connect(mode, await token({ user: 'margaret', org: 'globex' }));
            const { id } = await create(ada, 'Plan');
            for (const foreign of [id, 'doc_never_was']) {
                const uri = `docs://documents/${foreign}`;
                await assert.rejects(margaret.readResource({ uri }), { message: new RegExp(`Unknown resource: ${uri}`) });
            }
            const shares = `docs://shares/${id}`;
            const grace = await connect(mode, await token({ user: 'grace', org: 'acme' }));
            await assert.rejects(grace.readResource({ uri: shares }), { message: new RegExp(`Unknown resource: ${shares}`) });
            const { resourceTemplates } = await grace.listResourceTemplates();
            assert.deepEqual(resourceTemplates.map((template) => template.uriTemplate), TEMPLATES.slice(0, 1));
            await Promise.all([ada.close(), margaret.close(), grace.close()]);
        });

        test('without a token the challenge leads to the issuer', async () => {
            const challenge = await refusal(mode, undefined);
            assert.equal(challenge.error, undefined);
            assert.match(challenge.scope, /\buser:org:read\b/);
            const { resourceMetadataUrl } = challenge;
            const metadata = '/.well-known/oauth-protected-resource/mcp';
            assert.equal(resourceMetadataUrl.href, new URL(metadata, example.endpoint).href);

            const resource = await discoverOAuthProtectedResourceMetadata(example.endpoint, { resourceMetadataUrl });
            assert.equal(resource.resource, example.endpoint);
            assert.deepEqual(resource.authorization_servers, [clerk]);
            const server = await discoverAuthorizationServerMetadata(clerk);
            assert.equal(server.issuer, clerk);
        });

        test('an expired token is refused as invalid', async () => {
            const expired = await token({ user: 'ada', org: 'acme', expires_in: -60 });
            const challenge = await refusal(mode, expired);
            assert.equal(challenge.error, 'invalid_token');
        });
    });
}

function token(wish) {
    return mint(clerk, wish);
}

async function connect(mode, token, fetch = globalThis.fetch) {
    const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode } });
    const authProvider = { token: async () => token };
    await client.connect(new StreamableHTTPClientTransport(new URL(example.endpoint), { authProvider, fetch }));
    return client;
}

/** Expects that a client with this token cannot connect. Returns the challenge. */
async function refusal(mode, token) {
    const answers = [];
    const recorded = async (...request) => {
        const answer = await fetch(...request);
        answers.push(answer);
        return answer;
    };
    await assert.rejects(connect(mode, token, recorded), (error) => UnauthorizedError.isInstance(error));
    const [first] = answers;
    assert.equal(first.status, 401);
    return extractWWWAuthenticateParams(first);
}

async function toolNames(client) {
    const { tools } = await client.listTools();
    return tools.map((tool) => tool.name);
}

async function create(client, title) {
    const created = await call(client, 'create_document', { title, body: 'Weave algebraical patterns.' });
    assert.ok(!created.isError, text(created));
    return created.structuredContent;
}

async function ids(client) {
    const listed = await call(client, 'list_documents', {});
    return listed.structuredContent.documents.map((document) => document.id);
}

function call(client, name, args) {
    return client.callTool({ name, arguments: args });
}

function text(result) {
    return result.content[0].text;
}
