#!/usr/bin/env node
// A browser without a window. Its user allows every request of a client.
//
// The program takes the URL of an authorization request to the local Clerk, and follows the redirect to the client.
// It appends the URL to the file VISITED. With `--print` it prints the redirect instead of following it.

import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

/** Signs in as `choice` and allows the client. Resolves to the URL of the redirect. */
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
