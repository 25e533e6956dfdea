// A headless Chromium, and the checks of every page: accessible, in light and dark, in wide and narrow windows.
//
// The screenshots are in `target/pages`.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

import { TARGET } from './example.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SCREENSHOTS = join(TARGET, 'pages');
/** A foreign name that resolves to this machine. */
export const REBOUND = 'rebound.example';

export async function launch() {
    await mkdir(SCREENSHOTS, { recursive: true });
    return chromium.launch({
        executablePath: CHROMIUM,
        args: [`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`],
        // Scrollbars must be visible, because a test checks them.
        ignoreDefaultArgs: ['--hide-scrollbars'],
    });
}

/** A page in a new context. `seen` has the messages of the console and the requested URLs. */
export async function open(browser, url, options = {}, status = 200) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.seen = [[], []];
    page.on('console', (message) => page.seen[0].push(message.text()));
    page.on('request', (request) => page.seen[1].push(request.url()));
    const answer = await page.goto(url);
    assert.equal(answer.status(), status);
    return page;
}

/** Tests that the page that `show` opens is accessible. */
export function everybodyCanUse(name, show) {
    for (const colorScheme of ['light', 'dark']) {
        for (const width of [1280, 360, 320]) {
            test(`can be used by everybody, ${colorScheme}, ${width} pixels wide`, async () => {
                const page = await show({ colorScheme, viewport: { width, height: 800 } });
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
    for (const width of [1440, 1200, 1024, 800, 320]) {
        test(`cuts nothing off, ${width} pixels wide`, async () => {
            const page = await show({ viewport: { width, height: 800 } });
            const { cut, scrolling } = await page.evaluate(overflows);
            assert.deepEqual(cut, []);
            // A table must wrap before it scrolls.
            if (width >= 1024) assert.deepEqual(scrolling, []);
            await page.context().close();
        });
    }
}

/** The elements whose content is wider than their box: with a scrollbar, and cut off. */
function overflows() {
    const wide = [...document.querySelectorAll('body, body *')].filter(
        (element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth);
    const showsScrollbar = (element) => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
        && element.offsetHeight > element.clientHeight + 4;
    const named = ({ tagName, className, scrollWidth, clientWidth }) =>
        `${tagName}.${className}: ${scrollWidth} pixels in ${clientWidth}`;
    return {
        cut: wide.filter((element) => !showsScrollbar(element)).map(named),
        scrolling: wide.filter(showsScrollbar).map(named),
    };
}
