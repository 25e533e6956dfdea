#!/usr/bin/env node
// A browser without a window, whose user allows whatever a client asks for.
//
// As a program it takes the URL at which the local Clerk is asked, and goes where the answer leads. It
// writes the URL to the file VISITED, a line each, and with `--print` says where it would go instead of going.

import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

/** Signs in as `choice` and allows; resolves to the URL that the answer leads to. */
export async function allow(url, choice = 'user_ada|org_acme') {
    const page = await fetch(url, { headers: { Accept: 'text/html' } });
    const html = await page.text();
    assert.equal(page.status, 200, html);
    assert.ok(html.includes(`value="${choice}"`), `${choice} is not on the page: ${html}`);
    const [, ticket] = html.match(/name="ticket" value="([^"]+)"/);
    const [, action] = html.match(/<form method="post" action="([^"]+)"/);
    const decided = await fetch(new URL(action, url), {
        method: 'POST',
        body: new URLSearchParams({ ticket, choice, decision: 'allow' }),
        redirect: 'manual',
    });
    assert.equal(decided.status, 303, await decided.text());
    return new URL(decided.headers.get('location'));
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) {
    const { values, positionals } = parseArgs({ options: { print: { type: 'boolean' } }, allowPositionals: true });
    const [url] = positionals;
    if (process.env.VISITED) await appendFile(process.env.VISITED, `${url}\n`);
    const answer = await allow(url);
    if (values.print) {
        console.log(answer.href);
    } else {
        assert.equal((await fetch(answer)).status, 200);
    }
}
