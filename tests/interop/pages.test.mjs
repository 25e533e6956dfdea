// The pages of a server and of its local Clerk, in a headless Chromium.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { REBOUND, everybodyCanUse, launch, open as openIn } from './browser.mjs';
import { issuer, start } from './example.mjs';

let example;
let quickstart;
let browser;
let pages;

before(async () => {
    example = await start('documents');
    quickstart = await start('quickstart');
    pages = {
        endpoint: example.endpoint,
        emulator: `${await issuer(example.endpoint)}/`,
        'quickstart endpoint': quickstart.endpoint,
        'quickstart emulator': `${await issuer(quickstart.endpoint)}/`,
    };
    await fetch(`${pages.emulator}oauth/register`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ client_name: 'A client', redirect_uris: ['http://localhost:3118/callback'] }),
    });
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await quickstart?.stop();
    await example?.stop();
});

for (const name of ['endpoint', 'emulator']) {
    describe(`the page of the ${name}`, () => {
        everybodyCanUse(name, (options) => open(pages[name], options));

        test('is complete without scripts, loads no other resource and stores no cookie', async () => {
            const page = await open(pages[name], { javaScriptEnabled: false });
            const [complaints, requests] = page.seen;
            assert.deepEqual(complaints, []);
            assert.deepEqual(requests, [pages[name]]);
            assert.match(await page.content(), /Development only/);
            assert.equal(await page.locator('input, button, select, #app:visible').count(), 0);
            assert.deepEqual(await page.context().cookies(), []);
            await page.context().close();
        });

        test('can be used with a keyboard alone, without scripts', async () => {
            const page = await open(pages[name], { javaScriptEnabled: false, viewport: { width: 360, height: 800 } });
            const stops = await page.locator('a, [tabindex="0"]').count();
            assert.ok(stops > 2);
            const reached = new Set();
            for (let stop = 0; stop < stops; stop += 1) {
                await page.keyboard.press('Tab');
                const [place, outline] = await page.evaluate(`[
                    [...document.querySelectorAll('a, [tabindex="0"]')].indexOf(document.activeElement),
                    getComputedStyle(document.activeElement).outlineStyle,
                ]`);
                assert.equal(place, stop, 'in the order that is read');
                assert.equal(outline, 'solid', 'it is seen where the focus is');
                reached.add(place);
            }
            assert.equal(reached.size, stops);
            await page.context().close();
        });

        test('is refused under a name that was rebound to this machine', async () => {
            const url = new URL(pages[name]);
            url.hostname = REBOUND;
            const context = await browser.newContext();
            const answer = await (await context.newPage()).goto(url.href);
            assert.equal(answer.status(), 403);
            assert.doesNotMatch(await answer.text(), /Development only|delete_document|Lovelace/);
            await context.close();
        });
    });
}

for (const name of ['quickstart endpoint', 'quickstart emulator']) {
    describe(`the page of the ${name}`, () => {
        everybodyCanUse(name.replace(' ', '-'), (options) => open(pages[name], options));
    });
}

test('a script of another page gets the response of a client', async () => {
    const page = await open(pages.emulator, { bypassCSP: true });
    const read = await page.evaluate(async (url) => {
        const answer = await fetch(url, { headers: { Accept: 'text/html' } });
        return answer.text();
    }, pages.endpoint);
    assert.match(read, /An access token is required/);
    await page.context().close();
});

test('a link of the emulator\'s page leads to a token', async () => {
    const page = await open(pages.emulator);
    await page.getByRole('link', { name: 'grace in acme' }).click();
    assert.match(await page.locator('body').innerText(), /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
    await page.context().close();
});

test('the Inspector\'s command on the page signs in, and lists the tools of the chosen user', async () => {
    const printed = await inspect(/^npx @modelcontextprotocol\/inspector(?!.*Bearer)/, async (link) => {
        const page = await open(link);
        await page.getByRole('group', { name: 'Ada Lovelace' }).getByRole('radio', { name: 'Acme' }).check();
        await page.getByRole('button', { name: 'Allow' }).click();
        await page.waitForURL((url) => url.searchParams.has('code'));
        await page.context().close();
    });
    assert.match(printed, /"delete_document"/);
    const page = await open(pages.emulator);
    await page.getByRole('row', { name: 'Inspector' }).filter({ hasText: 'Ada Lovelace in Acme' }).waitFor();
    await page.context().close();
});

test('the Inspector\'s command with a token on the page lists the tools', async () => {
    const printed = await inspect(/^npx @modelcontextprotocol\/inspector.*Bearer/, (link) => assert.fail(link));
    assert.match(printed, /"delete_document"/);
});

for (const [file, key] of [['.cursor/mcp.json', 'mcpServers'], ['.vscode/mcp.json', 'servers']]) {
    test(`the text for ${file} on the page is valid JSON with the endpoint`, async () => {
        const page = await open(pages.endpoint);
        const text = await page.locator(`p:has-text("${file}") ~ pre:has-text("${key}")`).first().innerText();
        assert.equal(JSON.parse(text)[key].documents.url, example.endpoint);
        await page.context().close();
    });
}

/** Runs the command on the page of the endpoint. Resolves to its output; `visit` gets the link that it opens. */
async function inspect(command, visit) {
    const page = await open(pages.endpoint);
    const text = await page.locator('pre', { hasText: command }).innerText();
    await page.context().close();
    const home = await mkdtemp(join(tmpdir(), 'pages-'));
    const links = createServer((request, response) => {
        response.end();
        visited = visit(new URL(request.url, 'http://127.0.0.1').searchParams.get('link'));
    });
    let visited;
    links.listen(0, '127.0.0.1');
    await once(links, 'listening');
    const script = join(home, 'browser');
    const node = `fetch('http://127.0.0.1:${links.address().port}/?link=' + encodeURIComponent(process.argv[1]))`;
    await writeFile(script, `#!/bin/sh\nexec '${process.execPath}' -e "${node}" "$1"\n`, { mode: 0o700 });
    try {
        const inspector = join(import.meta.dirname, 'node_modules/.bin/mcp-inspector');
        const running = promisify(execFile)('sh', ['-c', text.replace('npx @modelcontextprotocol/inspector@latest', inspector)], {
            env: { PATH: process.env.PATH, HOME: home, BROWSER: script, MCP_AUTO_OPEN_ENABLED: 'true' },
            timeout: 30_000,
        });
        const { stdout } = await running;
        await visited;
        return stdout;
    } finally {
        links.close();
        await rm(home, { recursive: true });
    }
}

function open(url, options) {
    return openIn(browser, url, options);
}
