// A developer restarts the server: a signed-in client continues without a new sign-in.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { UnauthorizedError } from '@modelcontextprotocol/client';

import { issuer, start } from './example.mjs';
import { Host, call } from './host.mjs';

for (const [name, mode] of [['legacy', 'legacy'], ['modern', { pin: '2026-07-28' }]]) {
    test(`typescript, ${name}`, async (t) => {
        const folder = await mkdtemp(join(tmpdir(), 'restart-'));
        t.after(() => rm(folder, { recursive: true }));
        let server;
        const run = async (variables) => {
            server = await start('sign_in', { MCP_AUTH_EMULATOR_STATE: join(folder, 'state.json'), ...variables });
        };
        t.after(() => server?.stop());

        await run({});
        const clerk = await issuer(server.endpoint);
        const host = new Host({ endpoint: server.endpoint, clerk, document: {} });
        await assert.rejects(host.connect(mode), (error) => UnauthorizedError.isInstance(error));
        await host.finish();
        const called = async () => {
            const { client } = await host.connect(mode);
            const text = await call(client, 'who_am_i');
            await client.close();
            return text;
        };
        assert.equal(await called(), 'user_ada');

        await server.stop();
        await run({ PORT: new URL(server.endpoint).port });
        assert.equal(await issuer(server.endpoint), clerk);
        assert.equal(await called(), 'user_ada');
        // This has the effect of an expired token.
        host.saved.tokens.access_token = 'expired';
        assert.equal(await called(), 'user_ada');
        assert.notEqual(host.saved.tokens.access_token, 'expired');
        assert.equal(host.authorizations.length, 1, 'nobody signs in again');
    });
}
