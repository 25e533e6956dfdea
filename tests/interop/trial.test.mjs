// A shell runs the command that an example prints. It must succeed within 10 s of the start.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { start } from './example.mjs';

const WITHIN_MS = 10_000;

for (const name of ['quickstart', 'documents']) {
    test(`the line that ${name} prints calls a tool`, async () => {
        const example = await start(name);
        try {
            assert.match(example.trial, /"method":"tools\/call"/);
            assert.doesNotMatch(example.trial, /eyJ/, 'it holds no token');
            const { stdout } = await promisify(execFile)('sh', ['-c', example.trial], { timeout: WITHIN_MS });
            assert.match(stdout, /"result"/);
            assert.doesNotMatch(stdout, /"isError":true/);
            assert.ok(performance.now() - example.started < WITHIN_MS, 'it took too long');
        } finally {
            assert.equal(await example.stop(), 0, 'it did not end well');
        }
    });
}
