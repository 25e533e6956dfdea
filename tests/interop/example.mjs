// Runs an example as a separate program on a free port. Its local Clerk has no state file.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = resolve(import.meta.dirname, '../..');
/** The target directory of cargo. */
export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');
/** The folder of the built programs. */
export const BINARIES = join(TARGET, 'debug');
/** The Python interpreter that `.ci/run` prepares for the Python client. */
export const PYTHON = join(TARGET, 'interop-python/bin/python');
/** The Python interpreter for LangChain's adapters, which need version 1 of the Python client. */
export const LANGCHAIN = join(TARGET, 'interop-langchain/bin/python');
/** The Python interpreter for the adapters of Google and OpenAI. */
export const ADAPTERS = join(TARGET, 'interop-adapters/bin/python');
const START_MS = 10_000;
const STOP_MS = 5_000;

/** Starts a built program with these variables. Resolves when the program has printed the command to try it. */
export async function start(name, variables = {}) {
    const started = performance.now();
    const folder = await mkdtemp(join(tmpdir(), `${name}-`));
    const child = spawn(join(BINARIES, name), {
        cwd: folder,
        env: { PATH: process.env.PATH, PORT: '0', MCP_AUTH_EMULATOR_STATE: 'off', ...variables },
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (text) => (log += text));
    const exited = once(child, 'exit');
    // `firstLines` reports a program that is not built.
    exited.catch(() => {});
    const stop = async () => {
        const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        child.kill('SIGTERM');
        const [code] = await exited;
        clearTimeout(kill);
        await rm(folder, { recursive: true });
        return code;
    };
    try {
        const { endpoint, trial } = await firstLines(child, () => log);
        return { endpoint, trial, started, stop };
    } catch (error) {
        if (child.pid !== undefined) await stop();
        throw error;
    }
}

/** The issuer in the server's metadata, which is the URL of the local Clerk. */
export async function issuer(endpoint) {
    const metadata = new URL('/.well-known/oauth-protected-resource/mcp', endpoint);
    const answer = await fetch(metadata);
    return (await answer.json()).authorization_servers[0];
}

/** Mints a token at the local Clerk. */
export async function mint(emulator, wish) {
    const answer = await fetch(`${emulator}/dev/tokens`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(wish),
    });
    assert.equal(answer.status, 200);
    return (await answer.json()).token;
}

async function firstLines(child, log) {
    const failed = new Promise((_, reject) => {
        child.once('error', reject);
        child.once('exit', (code) => reject(new Error(`exited with ${code}: ${log()}`)));
        setTimeout(() => reject(new Error(`not ready in ${START_MS} ms: ${log()}`)), START_MS).unref();
    });
    return Promise.race([failed, read(child.stdout)]);
}

async function read(stdout) {
    let endpoint;
    let trialIsNext = false;
    for await (const line of createInterface({ input: stdout })) {
        endpoint ??= line.match(/^ +endpoint +(\S+)$/)?.[1];
        if (trialIsNext) return { endpoint, trial: line };
        trialIsNext = line === 'Try it:';
    }
    throw new Error('no line to try it with');
}
