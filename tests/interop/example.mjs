// Runs an example as a program of its own, on a free port, whose local Clerk keeps no state.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = resolve(import.meta.dirname, '../..');
/** Where cargo puts what it builds. */
export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');
const BINARIES = join(TARGET, 'debug');
/** The interpreter that `.ci/run` gives the Python client. */
export const PYTHON = join(TARGET, 'interop-python/bin/python');
/** The interpreter that `.ci/run` gives LangChain's adapters, which need version 1 of the Python client. */
export const LANGCHAIN = join(TARGET, 'interop-langchain/bin/python');
/** The interpreter that `.ci/run` gives the adapters of Google and OpenAI. */
export const ADAPTERS = join(TARGET, 'interop-adapters/bin/python');
const START_MS = 10_000;
const STOP_MS = 5_000;

/** Starts a built program with these variables; resolves when it has printed the line to try it with. */
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
    // A program that is not built is told by `firstLines`.
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

/** The server's issuer, as a client finds it: with the emulator, the emulator's base URL. */
export async function issuer(endpoint) {
    const metadata = new URL('/.well-known/oauth-protected-resource/mcp', endpoint);
    const answer = await fetch(metadata);
    return (await answer.json()).authorization_servers[0];
}

/** An access token of the emulator's, as wished for. */
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
