// The local Clerk's sign-in page in a headless Chromium, from the client's link to the client's redirect URI.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { REBOUND, everybodyCanUse, launch, open as openIn } from './browser.mjs';
import { issuer, start } from './example.mjs';

const STATE = 'a-state-of-the-client';
const WITH_ORGANIZATION = 'profile email user:org:read';
const WITHOUT_ORGANIZATION = 'openid profile email offline_access';

let example;
let clerk;
let browser;
let app;

before(async () => {
    example = await start('documents');
    clerk = await issuer(example.endpoint);
    app = await client();
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await app?.stop();
    await example?.stop();
});

describe('the page of a sign-in', () => {
    everybodyCanUse('sign-in', async (options) => {
        const page = await signIn({ options });
        await choose(page, 'Ada Lovelace', 'Acme').check();
        return page;
    });

    test('shows the client, the scopes and the redirect host', async () => {
        const page = await signIn();
        const text = await page.locator('body').innerText();
        for (const part of ['Development only', 'none is needed', 'A client', app.id, new URL(app.redirect).host]) {
            assert.ok(text.includes(part), `no ${part} in ${text}`);
        }
        for (const scope of WITH_ORGANIZATION.split(' ')) assert.match(text, new RegExp(`${scope}: \\w`));
        await page.context().close();
    });

    test('escapes the name of a client and shows all of it', async () => {
        const name = `<img src=x onerror=alert(1)> \u202e${'W'.repeat(200)}`;
        const { client_id: id } = await register({ client_name: name, redirect_uris: [app.redirect] });
        const page = await signIn({ id, options: { viewport: { width: 320, height: 800 } } });
        assert.equal(await page.locator('main strong').textContent(), name);
        assert.equal(await page.getByRole('img').count(), 0);
        const [wanted, given] = await page.evaluate(
            '[document.documentElement.scrollWidth, document.documentElement.clientWidth]');
        assert.equal(wanted, given);
        assert.deepEqual(page.seen[0], []);
        await page.context().close();
    });

    test('loads no other resource, writes no message to the console and stores no cookie', async () => {
        const page = await signIn();
        const [complaints, requests] = page.seen;
        assert.deepEqual(complaints, []);
        assert.equal(requests.length, 1);
        assert.deepEqual(await page.context().cookies(), []);
        await page.context().close();
    });

    for (const javaScriptEnabled of [true, false]) {
        const how = javaScriptEnabled ? 'with scripts' : 'without scripts';

        test(`redirects to the client with the chosen user and organization, ${how}`, async () => {
            const page = await signIn({ options: { javaScriptEnabled } });
            await choose(page, 'Ada Lovelace', 'Acme').check();
            await page.getByRole('button', { name: 'Allow' }).click();
            const token = await redeem(page);
            assert.deepEqual([token.sub, token.org_id], ['user_ada', 'org_acme']);
            assert.deepEqual(page.seen[0], []);
            await page.context().close();
        });

        test(`allows a choice without an organization, ${how}`, async () => {
            const page = await signIn({ options: { javaScriptEnabled } });
            await choose(page, 'Ada Lovelace', 'No organization').check();
            await page.getByRole('button', { name: 'Allow' }).click();
            const token = await redeem(page);
            assert.deepEqual([token.sub, token.org_id], ['user_ada', undefined]);
            await page.context().close();
        });

        test(`redirects to the client with a refusal, which needs no choice of a user, ${how}`, async () => {
            const page = await signIn({ options: { javaScriptEnabled } });
            await page.getByRole('button', { name: 'Refuse' }).click();
            const { searchParams } = await arrived(page);
            assert.equal(searchParams.get('error'), 'access_denied');
            assert.equal(searchParams.get('state'), STATE);
            assert.equal(searchParams.get('code'), null);
            await page.context().close();
        });

        test(`allows only after a user is chosen, ${how}`, async () => {
            const page = await signIn({ options: { javaScriptEnabled } });
            await page.getByRole('button', { name: 'Allow' }).click();
            assert.equal(page.seen[1].length, 1);
            await choose(page, 'Linus Torvalds', 'No organization').check();
            await page.getByRole('button', { name: 'Allow' }).click();
            assert.equal((await redeem(page)).sub, 'user_linus');
            await page.context().close();
        });
    }

    test('can be used with a keyboard alone', async () => {
        const page = await signIn({ options: { viewport: { width: 360, height: 800 } } });
        await page.keyboard.press('Tab');
        assert.deepEqual(await focus(page), ['user_ada|org_acme', 'solid'], 'the first of the choices');
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('ArrowDown');
        assert.deepEqual(await focus(page), ['user_grace|org_acme', 'solid']);
        assert.equal(await choose(page, 'Grace Hopper', 'Acme').isChecked(), true);
        await page.keyboard.press('Tab');
        assert.deepEqual(await focus(page), ['allow', 'solid']);
        await page.keyboard.press('Tab');
        assert.deepEqual(await focus(page), ['refuse', 'solid']);
        await page.keyboard.press('Shift+Tab');
        await page.keyboard.press('Enter');
        assert.equal((await redeem(page)).sub, 'user_grace');
        await page.context().close();
    });

    test('lets the client redirect to another origin', async () => {
        const page = await signIn({ redirect: app.onward });
        await page.getByRole('button', { name: 'Refuse' }).click();
        await page.waitForURL((url) => url.hostname === 'localhost' && url.pathname === '/arrived');
        await page.context().close();
    });

    test('is valid for one decision', async () => {
        const page = await signIn();
        const copy = await elsewhere(page, app.origin);
        await choose(page, 'Ada Lovelace', 'Acme').check();
        await page.getByRole('button', { name: 'Allow' }).click();
        await redeem(page);
        const arrivals = app.arrivals;
        await choose(copy, 'Ada Lovelace', 'Acme').check();
        assert.equal(await statusOfClick(copy, 'Allow'), 400);
        await copy.getByText('This error was not sent to the client').waitFor();
        assert.equal(app.arrivals, arrivals);
        await copy.context().close();
        await page.context().close();
    });

    test('is shown in no frame', async () => {
        const page = await openIn(browser, app.origin);
        const refused = page.waitForEvent('console', { predicate: (message) => /frame-ancestors/.test(message.text()) });
        await page.setContent(`<iframe src="${authorization().replaceAll('&', '&amp;')}"></iframe>`);
        await refused;
        assert.equal(await page.frameLocator('iframe').getByRole('radio').count(), 0);
        await page.context().close();
    });

    test('is refused with its form under a name that was rebound to this machine', async () => {
        const url = new URL(authorization());
        url.hostname = REBOUND;
        const foreign = await openIn(browser, url.href, {}, 403);
        assert.doesNotMatch(await foreign.content(), /Lovelace/);
        await foreign.context().close();

        const page = await signIn();
        const copy = await elsewhere(page, app.origin.replace('127.0.0.1', REBOUND));
        await choose(copy, 'Ada Lovelace', 'Acme').check();
        assert.equal(await statusOfClick(copy, 'Allow'), 403);
        await copy.context().close();
        await page.context().close();
    });
});

describe('the page of a sign-in without an organization', () => {
    everybodyCanUse('sign-in-person', (options) => signIn({ scope: WITHOUT_ORGANIZATION, options }));

    test('has one choice for each user', async () => {
        const page = await signIn({ scope: WITHOUT_ORGANIZATION });
        assert.equal(await page.getByRole('radio').count(), 4);
        await page.getByRole('radio', { name: 'Margaret Hamilton' }).check();
        await page.getByRole('button', { name: 'Allow' }).click();
        const token = await redeem(page);
        assert.deepEqual([token.sub, token.org_id], ['user_margaret', undefined]);
        await page.context().close();
    });
});

describe('the error page of a request whose redirect URI is unknown', () => {
    const show = (options) => openIn(browser, authorization({ redirect: `${app.origin}/elsewhere` }), options, 400);
    everybodyCanUse('sign-in-error', show);

    test('has one link, to the home page', async () => {
        const page = await show();
        assert.deepEqual(page.seen[0].filter((text) => !text.includes('400')), []);
        assert.equal(await page.getByRole('button').count(), 0);
        await page.getByRole('link').click();
        assert.equal(page.url(), `${clerk}/`);
        await page.context().close();
    });
});

/** Opens the sign-in page by a client's authorization request. */
function signIn({ options, ...wish } = {}) {
    return openIn(browser, authorization(wish), options);
}

function authorization({ id = app.id, scope = WITH_ORGANIZATION, redirect = app.redirect } = {}) {
    const query = new URLSearchParams({
        response_type: 'code',
        client_id: id,
        redirect_uri: redirect,
        scope,
        state: STATE,
        code_challenge: createHash('sha256').update(app.verifier).digest('base64url'),
        code_challenge_method: 'S256',
    });
    return `${clerk}/oauth/authorize?${query}`;
}

/** The form of a page, in a page of another origin. */
async function elsewhere(page, origin) {
    const form = await page.locator('form').evaluate((form) => form.outerHTML);
    const copy = await openIn(browser, origin);
    await copy.setContent(form.replace('action="', `action="${clerk}`));
    return copy;
}

/** Clicks a button. Resolves to the status of the response to the form. */
async function statusOfClick(page, name) {
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button', { name }).click();
    return (await answered).status();
}

function choose(page, person, organization) {
    return page.getByRole('group', { name: person }).getByRole('radio', { name: organization });
}

/** The value of the focused element, and the style of its outline. */
function focus(page) {
    return page.evaluate(`[
        document.activeElement.value,
        getComputedStyle(document.activeElement.closest('label') ?? document.activeElement).outlineStyle,
    ]`);
}

async function arrived(page) {
    await page.waitForURL((url) => url.href.startsWith(`${app.redirect}?`));
    return new URL(page.url());
}

/** Exchanges the code that the client received. Resolves to the claims of the access token. */
async function redeem(page) {
    const { searchParams } = await arrived(page);
    assert.equal(searchParams.get('state'), STATE);
    const answer = await fetch(`${clerk}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
            grant_type: 'authorization_code',
            code: searchParams.get('code'),
            redirect_uri: app.redirect,
            client_id: app.id,
            code_verifier: app.verifier,
        }),
    });
    const body = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(body));
    return JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url'));
}

/** A registered client that listens at its redirect URIs. */
async function client() {
    const client = { arrivals: 0, verifier: randomBytes(32).toString('base64url') };
    const server = createServer((request, response) => {
        if (request.url.startsWith('/onward')) {
            response.writeHead(302, { Location: `${client.origin.replace('127.0.0.1', 'localhost')}/arrived` });
        } else {
            // A browser may request an icon at any time.
            client.arrivals += request.url.startsWith('/callback') ? 1 : 0;
            response.writeHead(200, { 'Content-Type': 'text/html' });
        }
        response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client.origin = `http://127.0.0.1:${server.address().port}`;
    client.redirect = `${client.origin}/callback`;
    client.onward = `${client.origin}/onward`;
    client.stop = () => new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
    });
    const metadata = { client_name: 'A client', redirect_uris: [client.redirect, client.onward] };
    client.id = (await register(metadata)).client_id;
    return client;
}

async function register(metadata) {
    const answer = await fetch(`${clerk}/oauth/register`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token_endpoint_auth_method: 'none', ...metadata }),
    });
    assert.equal(answer.status, 201);
    return answer.json();
}
