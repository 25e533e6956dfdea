// The pages that a browser is shown, the server's and its local Clerk's, in a headless Chromium.
//
// Screenshots are left in `target/pages`, to be looked at.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

import { TARGET, issuer, start } from './example.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SCREENSHOTS = join(TARGET, 'pages');
const REBOUND = 'rebound.example';
const WIDTHS = [1280, 360, 320];

let example;
let browser;
let pages;

before(async () => {
    example = await start('documents');
    pages = { endpoint: example.endpoint, emulator: `${await issuer(example.endpoint)}/` };
    await mkdir(SCREENSHOTS, { recursive: true });
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: [`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`],
    });
});
after(async () => {
    await browser?.close();
    await example?.stop();
});

for (const name of ['endpoint', 'emulator']) {
    describe(`the page of the ${name}`, () => {
        for (const colorScheme of ['light', 'dark']) {
            for (const width of WIDTHS) {
                test(`can be used by everybody, ${colorScheme}, ${width} pixels wide`, async () => {
                    const page = await open(pages[name], { colorScheme, viewport: { width, height: 800 } });
                    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });

                    await page.evaluate(axe.source);
                    const { violations, passes } = await page.evaluate('axe.run()');
                    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
                    assert.ok(passes.some(({ id }) => id === 'color-contrast'), 'contrast was not measured');
                    const [wanted, given] = await page.evaluate(
                        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]');
                    assert.ok(wanted <= given, `${wanted} pixels wide`);
                    await page.context().close();
                });
            }
        }

        test('is all there without scripts, asks for nothing more and stores nothing', async () => {
            const page = await open(pages[name], { javaScriptEnabled: false });
            const [complaints, requests] = page.seen;
            assert.deepEqual(complaints, []);
            assert.deepEqual(requests, [pages[name]]);
            assert.match(await page.content(), /Development only/);
            assert.deepEqual(await page.context().cookies(), []);
            await page.context().close();
        });

        test('can be used with a keyboard alone', async () => {
            const page = await open(pages[name], { viewport: { width: 360, height: 800 } });
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

        test('is not for a name that was rebound to this machine', async () => {
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

test('a script of another page gets what a client gets', async () => {
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
    assert.match(await page.locator('body').innerText(), /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    await page.context().close();
});

test('the Inspector\'s command on the page lists the tools', async () => {
    const page = await open(pages.endpoint);
    const command = await page.locator('pre', { hasText: 'npx @modelcontextprotocol/inspector' }).innerText();
    const home = await mkdtemp(join(tmpdir(), 'pages-'));
    const inspector = join(import.meta.dirname, 'node_modules/.bin/mcp-inspector');
    const { stdout } = await promisify(execFile)('sh', ['-c', command.replace('npx @modelcontextprotocol/inspector', inspector)], {
        env: { PATH: process.env.PATH, HOME: home },
        timeout: 30_000,
    });
    assert.match(stdout, /"delete_document"/);
    await rm(home, { recursive: true });
    await page.context().close();
});

for (const [file, key] of [['.cursor/mcp.json', 'mcpServers'], ['.vscode/mcp.json', 'servers']]) {
    test(`what the page has for ${file} is a document with the endpoint`, async () => {
        const page = await open(pages.endpoint);
        const text = await page.locator(`p:has-text("${file}") ~ pre:has-text("${key}")`).first().innerText();
        assert.equal(JSON.parse(text)[key].documents.url, example.endpoint);
        await page.context().close();
    });
}

/** A page in a context of its own; `seen` has what the console said and what was asked for. */
async function open(url, options = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.seen = [[], []];
    page.on('console', (message) => page.seen[0].push(message.text()));
    page.on('request', (request) => page.seen[1].push(request.url()));
    const answer = await page.goto(url);
    assert.equal(answer.status(), 200);
    return page;
}
