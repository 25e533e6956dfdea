// The explorer on the page of a server, in a headless Chromium, against the running examples.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import axe from 'axe-core';

import { launch } from './browser.mjs';
import { TARGET, issuer, mint, start } from './example.mjs';

const run = promisify(execFile);
const DENIAL = 'Forbidden: org:documents:write permission required';

let documents;
let everything;
let browser;

before(async () => {
    documents = await start('documents');
    everything = await start('everything');
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await everything?.stop();
    await documents?.stop();
});

describe('a first call', () => {
    test('is allowed for ada, denied for grace with the reason, and lacks an organization for linus', async () => {
        const page = await explore(documents);
        assert.match(await page.locator('#app > p').innerText(), /“Call as Ada Lovelace”/);
        assert.equal(await page.getByRole('radio', { name: 'create_document' }).isChecked(), true);
        await page.getByLabel('title').fill('Plan');
        await page.getByLabel('body').fill('Ship it');
        await page.getByRole('button', { name: 'Call as Ada Lovelace' }).click();
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /"title": "Plan"/);
        assert.deepEqual(await row(page, 'permission org:documents:write'), ['met']);

        await act(page, 'Grace Hopper');
        await page.getByRole('button', { name: 'Call as Grace Hopper' }).click();
        await verdict(page, new RegExp(`^Denied ${DENIAL} HTTP 200`));
        const [met, found, from, needs] = await row(page, 'permission org:documents:write', 4);
        assert.equal(met, 'not met');
        assert.match(found, /org:documents:read/);
        assert.equal(from, 'membership');
        assert.equal(needs, 'the permission org:documents:write in the organization');
        await page.getByRole('heading', { name: 'What would change it?' }).waitFor();

        await act(page, 'Linus Torvalds');
        await page.getByRole('button', { name: 'Call as Linus Torvalds' }).click();
        await verdict(page, /^Denied Organization context required/);
        assert.deepEqual(await row(page, 'organization'), ['not met']);
        assert.deepEqual(page.complaints, []);
        await page.context().close();
    });

    test('shows its audit record, its log lines, its _meta, and what was sent and received', async () => {
        const page = await explore(documents);
        await act(page, 'Grace Hopper');
        await press(page, 'Call as');
        await verdict(page, /^Denied/);
        for (const [title, text] of [
            ['Audit records (1)', /"outcome": "denied"/],
            ['Log lines', new RegExp(DENIAL)],
            ['_meta', /mcp-auth-rs\/denied/],
            ['Request', /Authorization: Bearer \$TOKEN/],
            ['Response', /HTTP 200/],
        ]) {
            const fold = outcome(page).locator('details').filter({ has: page.locator('summary', { hasText: title }) });
            await fold.locator('summary').click();
            assert.match(await fold.innerText(), text);
        }
        await page.context().close();
    });

    test('can be made with a keyboard alone, and the focus stays on the button', async () => {
        const page = await explore(documents, { viewport: { width: 360, height: 800 } });
        const reached = await tabTo(page, (name) => name === 'create_document');
        assert.ok(reached.some(([name]) => name === 'Person'));
        assert.ok(reached.every(([, outline]) => outline === 'solid'), JSON.stringify(reached));
        await page.keyboard.press('ArrowDown');
        assert.equal(await page.getByRole('heading', { name: 'delete_document' }).count(), 1);
        await page.keyboard.press('Tab');
        await page.keyboard.type('doc_1');
        await tabTo(page, (name) => name === 'Call as Ada Lovelace');
        await page.keyboard.press('Enter');
        await verdict(page, /^Allowed, but failed.*Document doc_1 not found/);
        assert.equal(await page.evaluate('document.activeElement.textContent'), 'Call as Ada Lovelace');
        await page.context().close();
    });

    test('without a token shows the challenge, and a pasted token is used', async () => {
        const page = await explore(documents);
        await act(page, 'Nobody (no token)');
        await press(page, 'Call as');
        await verdict(page, /^Not signed in .* HTTP 401/);
        await outcome(page).getByText('Challenge').click();
        assert.match(await outcome(page).locator('dl').innerText(), /resource_metadata\s+http:/);
        assert.deepEqual(await row(page, 'organization'), ['not met']);

        const token = await mint(await issuer(documents.endpoint), { user: 'grace', org: 'acme' });
        await act(page, 'A pasted token');
        await page.getByLabel('Access token').fill(token);
        await press(page, 'Call as');
        await verdict(page, new RegExp(DENIAL));
        assert.ok(!(await page.content()).includes(token));
        await page.context().close();
    });

    test('needs a pasted token on a server without a local Clerk', async () => {
        const page = await explore(documents, {}, (page) => page.route(documents.endpoint, async (route) => {
            const answer = await route.fetch();
            const body = (await answer.text()).replace(/"people":\[.*?\],"protocol"/, '"people":[],"protocol"');
            return route.fulfill({ response: answer, body });
        }));
        await page.getByText('Paste a token, to see the lists of its owner.').waitFor();
        const token = await mint(await issuer(documents.endpoint), { user: 'ada', org: 'acme' });
        await page.getByLabel('Access token').fill(token);
        await press(page, 'Call as');
        await page.getByText(/The owner of the token sees 9 tools/i).waitFor();
        await verdict(page, /^Allowed/);
        await page.context().close();
    });

    test('shows a refusal of the local Clerk', async () => {
        const page = await explore(documents);
        const acting = page.getByRole('group', { name: 'Act as' });
        await acting.getByLabel('Organization').selectOption({ label: 'globex (not a member)' });
        await page.getByText('`ada` is not a member of `globex`').waitFor();
        await page.context().close();
    });
});

describe('the lists', () => {
    test('mark entries that the person does not see, and keep the typed values', async () => {
        const page = await explore(documents);
        await page.getByLabel('title').fill('Typed');
        await act(page, 'Grace Hopper');
        await page.getByText(/^Grace Hopper sees \d+ tools/).waitFor();
        await page.getByRole('radio', { name: 'create_document not listed for Grace Hopper' }).waitFor();
        await choose(page, 'delete_document');
        await choose(page, 'create_document');
        assert.equal(await page.getByLabel('title').inputValue(), 'Typed');
        await page.context().close();
    });

    test('show the texts of a server as texts', async () => {
        const text = '<script>window.injected = 1</script><img src=x onerror="window.injected = 1">';
        const page = await explore(documents, {}, async (page) => {
            const known = '"Create a document in the caller\'s organization."';
            const other = JSON.stringify(text).replaceAll('<', '\\u003c');
            await page.route(documents.endpoint, async (route) => {
                const answer = await route.fetch();
                const body = (await answer.text()).replaceAll(`"description":${known}`, `"description":${other},"title":${other}`);
                return route.fulfill({ response: answer, body });
            });
        });
        assert.equal(await page.locator('.description').innerText(), text);
        assert.equal(await page.locator('#app').locator('script, img').count(), 0);
        assert.equal(await page.evaluate('window.injected'), undefined);
        await page.context().close();
    });
});

describe('forms', () => {
    test('send what the server refuses, and say that it looks wrong', async () => {
        const page = await explore(documents);
        await choose(page, 'list_documents');
        await page.getByLabel('page_size').fill('none');
        await press(page, 'Call as');
        await page.getByText('A value looks wrong. The request is sent all the same.').waitFor();
        await page.getByText('This is not a number.').waitFor();
        await verdict(page, /^Allowed, but failed.*page_size/);
        await page.context().close();
    });

    test('can be edited as JSON and back', async () => {
        const page = await explore(documents);
        await page.getByLabel('title').fill('Plan');
        await page.getByLabel('Edit as JSON').check();
        const json = page.getByLabel('arguments');
        assert.deepEqual(JSON.parse(await json.inputValue()), { title: 'Plan', body: '' });
        await json.fill('{"title": "Other", "body": "", "more": 1}');
        await page.getByLabel('Edit as JSON').click();
        await page.getByText('The form cannot show this JSON').waitFor();
        await press(page, 'Call as');
        await verdict(page, /^Allowed, but failed.*more/);
        await json.fill('{"title": "Other", "body": "text"}');
        await page.getByLabel('Edit as JSON').click();
        assert.equal(await page.getByLabel('title').inputValue(), 'Other');
        await page.context().close();
    });

    test('have a field for each type, and JSON for the rest', async () => {
        const schema = {
            type: 'object',
            $defs: { point: { type: 'object', properties: { x: { type: 'number' }, y: { type: 'number' } }, required: ['x'] } },
            properties: {
                color: { oneOf: [{ const: 'r', title: 'Red' }, { const: 'g', title: 'Green' }], default: 'g' },
                flag: { type: 'boolean' },
                maybe: { anyOf: [{ type: 'string' }, { type: 'null' }] },
                place: { $ref: '#/$defs/point' },
                sizes: { type: 'array', items: { type: 'string', enum: ['s', 'm', 'l'] } },
                points: { type: 'array', items: { $ref: '#/$defs/point' } },
                map: { type: 'object', additionalProperties: { type: 'integer' } },
                self: { $ref: '#' },
            },
            required: ['flag'],
        };
        let sent;
        const page = await explore(documents, {}, (page) => page.route(documents.endpoint, async (route) => {
            const request = route.request();
            if (request.headers()['mcp-method'] === 'tools/call') sent = request.postDataJSON().params.arguments;
            const answer = await route.fetch();
            const known = /("description":"Create a document[^"]*","inputSchema":).*?"type":"object"}/;
            const body = (await answer.text()).replace(known, (_, start) => start + JSON.stringify(schema));
            return route.fulfill({ response: answer, body });
        }));
        const form = page.locator('.detail');
        await form.getByLabel('flag').check();
        await form.getByLabel('maybe').fill('text');
        await form.getByLabel('Send place').check();
        await form.getByRole('group', { name: 'place' }).getByLabel('x').fill('1.5');
        await form.getByLabel('m', { exact: true }).check();
        for (const x of ['1', '2']) {
            await form.getByRole('button', { name: 'Add to points' }).click();
            assert.match(await page.evaluate('document.activeElement.labels[0].textContent'), /^x/);
            await page.keyboard.type(x);
        }
        await form.getByRole('button', { name: 'Remove points 1' }).click();
        await form.getByLabel('map').fill('{"a": 1}');
        await press(page, 'Call as');
        await verdict(page, /./);
        await page.getByRole('heading', { name: 'Why' }).waitFor();
        const rest = { place: { x: 1.5 }, sizes: ['m'], points: [{ x: 2 }], map: { a: 1 } };
        assert.deepEqual(sent, { color: 'g', flag: true, maybe: 'text', ...rest });
        assert.deepEqual(page.complaints, []);
        await page.context().close();
    });

    test('repeat marked arguments in headers', async () => {
        const page = await explore(everything);
        await choose(page, 'test_custom_header');
        await page.getByLabel('value').fill(' Zürich');
        await page.getByLabel('count').fill('-7');
        await page.getByLabel('urgent').selectOption('false');
        await press(page, 'Call as');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /" Zürich" Some\(-7\) Some\(false\)/);
        await page.context().close();
    });

    test('fill in a template of a resource with the suggestions of the server', async () => {
        const page = await explore(everything);
        await choose(page, 'test://template/{id}/data');
        await page.getByRole('combobox', { name: 'id' }).pressSequentially('12');
        await page.locator('datalist option[value="124"]').waitFor({ state: 'attached' });
        await page.getByRole('combobox', { name: 'id' }).fill('a b');
        await press(page, 'Read as');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /Data for ID: a b/);
        await page.context().close();
    });
});

test('a prompt shows its messages', async () => {
    const page = await explore(everything);
    await choose(page, 'test_prompt_with_arguments');
    await page.getByLabel('arg1').fill('one');
    await page.getByLabel('arg2').fill('two');
    await press(page, 'Get as');
    await verdict(page, /^Allowed/);
    assert.match(await outcome(page).innerText(), /user\s+Prompt with arguments: arg1='one', arg2='two'/);
    await page.context().close();
});

describe('a call that takes longer', () => {
    test('asks a question, which is accepted or declined', async () => {
        const page = await explore(everything);
        await choose(page, 'test_input_required_result_elicitation');
        await press(page, 'Call as');
        await page.getByRole('heading', { name: 'The server asks' }).waitFor();
        assert.equal(await page.evaluate('document.activeElement.textContent'), 'The server asks');
        await page.getByRole('group', { name: 'What is your name?' }).getByLabel('name').fill('Ada');
        await press(page, 'Accept');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /Hello, Ada!/);
        await outcome(page).getByText('Audit records (2)').waitFor();
        await press(page, 'Call as');
        await press(page, 'Decline');
        await verdict(page, /^Allowed, but failed.*declined/);
        await page.context().close();
    });

    test('asks for the default values of each type of field', async () => {
        const page = await explore(everything);
        await choose(page, 'test_elicitation_sep1034_defaults');
        await press(page, 'Call as');
        await press(page, 'Accept');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /John Doe, 30, 95.5, active, true/);
        await page.context().close();
    });

    test('asks to open a page, and shows its host; a link that could run a script is a text', async () => {
        const page = await explore(everything);
        const question = (url) => ({ method: 'elicitation/create', params: { mode: 'url', message: 'Pay', url } });
        const inputRequests = { pay: question('https://pay.example/1'), other: question('javascript:alert(1)') };
        await page.route(everything.endpoint, async (route) => {
            const { id, params } = route.request().postDataJSON();
            const { pay, other } = params.inputResponses ?? {};
            const text = JSON.stringify([pay, other, params.requestState]);
            const asks = { resultType: 'input_required', inputRequests, requestState: 's' };
            const result = pay ? { content: [{ type: 'text', text }] } : asks;
            await route.fulfill({ json: { jsonrpc: '2.0', id, result } });
        });
        await press(page, 'Call as');
        await page.getByText('It leads to the host pay.example.').waitFor();
        assert.deepEqual(await outcome(page).getByRole('link').allInnerTexts(), ['https://pay.example/1']);
        await press(page, 'Decline');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /\[{"action":"decline"},{"action":"decline"},"s"\]/);
        await page.context().close();
    });

    test('shows progress and log messages, and can be cancelled', async () => {
        const page = await explore(everything);
        await choose(page, 'test_tool_with_progress');
        await press(page, 'Call as');
        await verdict(page, /^Allowed/);
        assert.match(await page.getByRole('list', { name: 'Messages' }).innerText(), /100 of 100 Working/);
        await choose(page, 'slow_compute');
        await page.getByLabel('seconds').fill('60');
        await page.getByLabel('label').fill('x');
        // The browser never gets a response to the call.
        await page.route(everything.endpoint, async (route) => {
            if (route.request().headers()['mcp-method'] !== 'tools/call') await route.continue();
        });
        await press(page, 'Call as');
        await page.getByRole('button', { name: 'Cancel' }).click();
        await verdict(page, /^Cancelled/);
        assert.match(await page.evaluate('document.activeElement.textContent'), /^Call as/);
        await page.context().close();
    });

    test('becomes a task, which asks a question and is cancelled', async () => {
        const page = await explore(everything);
        await choose(page, 'confirm_delete');
        await page.getByLabel('filename').fill('plan.txt');
        await press(page, 'Call as');
        await page.getByRole('heading', { name: /^Task / }).waitFor();
        await press(page, 'Ask for its state');
        await outcome(page).getByLabel('confirm').check();
        await press(page, 'Accept');
        await verdict(page, /^Allowed/);
        assert.match(await outcome(page).innerText(), /Deleted plan.txt/);
        await choose(page, 'slow_compute');
        await page.getByLabel('seconds').fill('60');
        await press(page, 'Call as');
        await press(page, 'Cancel the task');
        await page.getByText('The task is cancelled.', { exact: true }).waitFor();
        await page.context().close();
    });
});

test('the curl command has the same outcome in a shell', async () => {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    await page.goto(documents.endpoint);
    await ready(page);
    await act(page, 'Grace Hopper');
    await page.getByLabel('title').fill("It's $HOME");
    await press(page, 'Copy as curl');
    await page.getByText('The command is copied:').waitFor();
    const command = await page.evaluate('navigator.clipboard.readText()');
    assert.equal(await page.locator('.copied code').innerText(), command);
    assert.match(command, /^TOKEN=\$\(curl /);
    const { stdout } = await run('sh', ['-c', command]);
    assert.equal(JSON.parse(stdout).result.content[0].text, DENIAL);
    await context.close();

    const refusing = await explore(documents);
    await refusing.evaluate('navigator.clipboard.writeText = () => Promise.reject(new Error())');
    await press(refusing, 'Copy as curl');
    await refusing.getByText('The browser refused to copy.').waitFor();
    assert.match(await refusing.evaluate('getSelection().toString()'), /^TOKEN=/);
    await refusing.context().close();
});

test('two people side by side send the same call, and each has an outcome', async () => {
    const page = await explore(documents);
    await compare(page);
    await page.getByLabel('title').fill('Plan');
    await press(page, 'Call as both');
    await verdict(page, /^Allowed/, 0);
    await verdict(page, /^Denied/, 1);
    assert.deepEqual(await page.locator('.outcome h3').allInnerTexts(), ['Ada Lovelace in acme', 'Grace Hopper in acme']);
    const [left, right] = await Promise.all([0, 1].map((index) => outcome(page, index).boundingBox()));
    assert.ok(right.x > left.x + left.width && right.y === left.y, 'side by side');
    await page.setViewportSize({ width: 320, height: 800 });
    const [first, second] = await Promise.all([0, 1].map((index) => outcome(page, index).boundingBox()));
    assert.ok(second.y > first.y + first.height && second.x === first.x, 'one below the other');
    await page.context().close();
});

describe('a failure says what happened and keeps the input', () => {
    const busy = { status: 503, headers: { 'Retry-After': '2' }, json: { error_description: 'Busy' } };
    const broken = { status: 200, contentType: 'application/json', body: '{' };
    for (const [what, respond, expected] of [
        ['a server that is gone', (route) => route.abort(), /^Failed.*cannot be reached/],
        ['a busy server', (route) => route.fulfill(busy), /^Not available Busy\. Try again in 2 s\. HTTP 503/],
        ['a response that is not JSON', (route) => route.fulfill(broken), /^Failed.*not valid JSON/],
    ]) {
        test(what, async () => {
            const page = await explore(documents);
            await page.getByLabel('title').fill('Typed');
            await page.route(documents.endpoint, respond);
            await press(page, 'Call as');
            await verdict(page, expected);
            assert.equal(await page.getByLabel('title').inputValue(), 'Typed');
            await page.context().close();
        });
    }

    test('a body that is too long', async () => {
        const page = await explore(documents);
        await page.getByLabel('body').evaluate((body) => { body.value = 'x'.repeat(5_000_000); });
        await press(page, 'Call as');
        await verdict(page, /^Too long/);
        await page.context().close();
    });
});

describe('the page', () => {
    test('keeps tokens out of the document, the stores and the URL', async () => {
        const page = await explore(documents);
        await press(page, 'Call as');
        await verdict(page, /^Allowed/);
        await press(page, 'Copy as curl');
        assert.doesNotMatch(await page.content(), /eyJ/);
        assert.equal(page.url(), documents.endpoint);
        const stores = await page.evaluate('Promise.all([localStorage.length, sessionStorage.length, indexedDB.databases()])');
        assert.deepEqual(stores, [0, 0, []]);
        assert.deepEqual(await page.context().cookies(), []);
        await page.context().close();
    });

    test('runs no other script', async () => {
        const page = await explore(documents);
        await page.evaluate(() => {
            const script = document.createElement('script');
            script.textContent = 'window.injected = 1';
            document.body.append(script);
        });
        assert.equal(await page.evaluate('window.injected'), undefined);
        assert.match(page.complaints.join('\n'), /Content Security Policy/);
        await page.context().close();
    });

    for (const [state, prepare] of Object.entries({
        initial: () => {},
        form: (page) => choose(page, 'list_documents'),
        result: async (page) => {
            await page.getByLabel('title').fill('Plan');
            await press(page, 'Call as');
            await verdict(page, /^Allowed/);
        },
        denial: async (page) => {
            await act(page, 'Grace Hopper');
            await press(page, 'Call as');
            await verdict(page, /^Denied/);
            for (const summary of await outcome(page).locator('summary').all()) await summary.click();
        },
        'side-by-side': async (page) => {
            await compare(page);
            await press(page, 'Call as both');
            await verdict(page, /^Denied/, 1);
        },
        question: async (page) => {
            await page.getByRole('button', { name: 'Call as' }).click();
            await page.getByRole('heading', { name: 'The server asks' }).waitFor();
        },
    })) {
        test(`can be used by everybody: ${state}`, async () => {
            const page = await explore(state === 'question' ? everything : documents);
            if (state === 'question') await choose(page, 'test_elicitation_sep1330_enums');
            await prepare(page);
            await everybodyCanUse(page, state);
            await page.context().close();
        });
    }
});

/** Opens the page of a server. Resolves when the explorer has loaded its lists. */
async function explore(example, options = {}, prepare = () => {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.complaints = [];
    page.on('console', (message) => page.complaints.push(message.text()));
    page.on('pageerror', (error) => page.complaints.push(error.message));
    await prepare(page);
    await page.goto(example.endpoint);
    await ready(page);
    return page;
}

function ready(page) {
    return page.locator('#app[aria-busy=false]').waitFor();
}

function outcome(page, index = 0) {
    return page.locator('.outcome').nth(index);
}

function verdict(page, text, index = 0) {
    return outcome(page, index).locator('.verdict').filter({ hasText: text }).waitFor();
}

/** Waits for the explanation. Resolves to the first cells of a requirement: met, found, from, needs. */
async function row(page, requirement, cells = 1) {
    const head = page.getByRole('rowheader', { name: requirement, exact: true });
    const found = outcome(page).getByRole('row').filter({ has: head });
    await found.waitFor();
    const texts = await found.getByRole('cell').allInnerTexts();
    return texts.slice(0, cells);
}

async function act(page, person) {
    await page.getByRole('group', { name: 'Act as' }).getByLabel('Person').selectOption({ label: person });
}

async function compare(page) {
    await page.getByLabel('Compare with a second person').check();
    await page.getByText(/^Grace Hopper sees/).waitFor();
}

function choose(page, name) {
    const code = page.locator('code').getByText(name, { exact: true });
    return page.locator('.picker label').filter({ has: code }).locator('input').check();
}

function press(page, name) {
    return page.getByRole('button', { name }).first().click();
}

/** Presses Tab until the focused control has the name. Resolves to the names and outlines on the way. */
async function tabTo(page, isWanted) {
    const reached = [];
    for (let stop = 0; stop < 40; stop += 1) {
        await page.keyboard.press('Tab');
        const [name, outline] = await page.evaluate(`[
            (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim(),
            getComputedStyle(document.activeElement).outlineStyle,
        ]`);
        reached.push([name, outline]);
        if (isWanted(name)) return reached;
    }
    throw new Error(`not reached: ${JSON.stringify(reached)}`);
}

/** Checks the page wide in light colors and narrow in dark colors. The screenshots are in `target/pages`. */
async function everybodyCanUse(page, state) {
    await page.evaluate(axe.source);
    for (const [colorScheme, width] of [['light', 1280], ['dark', 320]]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        const path = join(TARGET, 'pages', `explorer-${state}-${colorScheme}-${width}.png`);
        await page.screenshot({ path, fullPage: true });
        const { violations } = await page.evaluate('axe.run()');
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
        const [wanted, given] = await page.evaluate(
            '[document.documentElement.scrollWidth, document.documentElement.clientWidth]');
        assert.ok(wanted <= given, `${wanted} pixels wide in ${given}`);
    }
}
