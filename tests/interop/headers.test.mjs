// The official TypeScript client against the running example `everything`: the client repeats arguments in headers, in the
// form that the server accepts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { issuer, mint, start } from './example.mjs';

const MODERN = '2026-07-28';
const TOOL = 'test_custom_header';

let example;
let token;

before(async () => {
    example = await start('everything');
    token = await mint(await issuer(example.endpoint), { user: 'ada', org: 'acme' });
});
after(() => example?.stop());

for (const [args, headers, text] of [
    [{ value: 'us-west1' }, { value: 'us-west1' }, '"us-west1" None None'],
    [
        { value: 'Zürich', count: -7, urgent: false },
        { value: '=?base64?WsO8cmljaA==?=', count: '-7', urgent: 'false' },
        '"Zürich" Some(-7) Some(false)',
    ],
    [{ value: '', count: 0, urgent: true }, { value: '=?base64??=', count: '0', urgent: 'true' }, '"" Some(0) Some(true)'],
    [{ value: ' padded ', count: null }, { value: '=?base64?IHBhZGRlZCA=?=' }, '" padded " None None'],
    [
        { value: '=?base64?SGVsbG8=?=' },
        { value: '=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?=' },
        '"=?base64?SGVsbG8=?=" None None',
    ],
]) {
    test(`a modern client repeats ${JSON.stringify(args)}`, async () => {
        const { sent, answer } = await call({ pin: MODERN }, args);
        assert.deepEqual(sent, headers);
        assert.equal(answer.content[0].text, text);
    });
}

test('a legacy client repeats no arguments', async () => {
    const { sent, answer } = await call('legacy', { value: 'us-west1', count: 3 });
    assert.deepEqual(sent, {});
    assert.equal(answer.content[0].text, '"us-west1" Some(3) None');
});

/** Lists the tools and calls the tool. Resolves to the answer, and the headers of the arguments in the last request. */
async function call(mode, args) {
    let sent;
    const recorded = async (url, init) => {
        const prefix = 'mcp-param-';
        const headers = [...new Headers(init.headers)].filter(([name]) => name.startsWith(prefix));
        sent = Object.fromEntries(headers.map(([name, value]) => [name.slice(prefix.length), value]));
        return await fetch(url, init);
    };
    const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode } });
    const authProvider = { token: async () => token };
    const transport = new StreamableHTTPClientTransport(new URL(example.endpoint), { authProvider, fetch: recorded });
    await client.connect(transport);
    try {
        const { tools } = await client.listTools();
        assert.ok(tools.some(({ name }) => name === TOOL));
        return { answer: await client.callTool({ name: TOOL, arguments: args }), sent };
    } finally {
        await client.close();
    }
}
