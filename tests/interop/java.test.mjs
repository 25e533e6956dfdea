// The HTTP client of the JDK, which requests an upgrade to HTTP/2 with every request.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { issuer, mint, start } from './example.mjs';

const CALLS = 3000;
const CLIENT_MS = 120_000;

let example;

before(async () => {
    example = await start('quickstart');
});
after(() => example?.stop());

test('3000 calls in a row with the HTTP client of the JDK, and none fails', async () => {
    const token = await mint(await issuer(example.endpoint), { user: 'ada', org: 'acme' });
    const program = [join(import.meta.dirname, 'java/Calls.java'), example.endpoint, `${CALLS}`];
    const { stdout, stderr } = await promisify(execFile)('java', program, {
        env: { PATH: process.env.PATH, TOKEN: token },
        timeout: CLIENT_MS,
    });
    assert.equal(stdout, `0 of ${CALLS} failed\n`, stderr);
});
