// The explorer: it lists what a chosen person sees, sends requests as this person, and shows the outcomes.

const LISTS = [
    { kind: 'tool', title: 'Tools', verb: 'Call', method: 'tools/list', member: 'tools', id: 'name' },
    { kind: 'prompt', title: 'Prompts', verb: 'Get', method: 'prompts/list', member: 'prompts', id: 'name' },
    { kind: 'resource', title: 'Resources', verb: 'Read', method: 'resources/list', member: 'resources', id: 'uri' },
    {
        kind: 'template', title: 'Resource templates', verb: 'Read', method: 'resources/templates/list',
        member: 'resourceTemplates', id: 'uriTemplate',
    },
];
const MAX_PAGES = 50;

const app = document.getElementById('app');
/** The entries of all lists that this page has seen, by kind and id. */
const entries = new Map();
const panels = [makePanel(0), makePanel(1)];
let chosen;
let capabilities;

const compare = el('input', { type: 'checkbox', change: changed });
const picker = el('div', { class: 'picker', role: 'group', 'aria-label': 'Tools, prompts and resources' });
const filter = el('input', { type: 'search', autocomplete: 'off', input: narrow });
const detail = el('form', { novalidate: true, class: 'detail', hidden: true, submit: (event) => {
    event.preventDefault();
    run();
} });

function makePanel(index) {
    const panel = { view: outcomeView(), seen: null };
    panel.acting = actingControls(index === 0 ? 'Act as' : 'and as', index, () => {
        panel.view.age();
        changed();
        load(panel);
    });
    return panel;
}

function activePanels() {
    return compare.checked ? panels : panels.slice(0, 1);
}

/** Updates what depends on who acts: names of fieldsets and buttons, and the marks in the list. */
function changed() {
    const both = compare.checked;
    panels[1].acting.node.hidden = !both;
    app.classList.toggle('both', both);
    if (both && !panels[1].seen && !panels[1].loading) load(panels[1]);
    if (!both) {
        panels[1].stop?.abort();
        panels[1].view.node.hidden = true;
    }
    for (const entry of entries.values()) mark(entry);
    if (chosen) chosen.nameButtons?.();
}

/** Loads the lists of a caller, one after the other, so that a refusal is asked for once. */
async function load(panel) {
    panel.loading?.abort();
    const stop = panel.loading = new AbortController();
    const caller = panel.acting.caller();
    const seen = new Map();
    if (caller.pasted === '') return loaded(panel, null, 'Paste a token, to see the lists of its owner.');
    panel.acting.tell('Loading …');
    let failed;
    capabilities ??= (await send(caller, 'server/discover', {}, { signal: stop.signal })).response?.result?.capabilities;
    for (const list of LISTS.filter(({ method }) => !capabilities || method.split('/')[0] in capabilities)) {
        let cursor;
        for (let page = 0; page < MAX_PAGES && !failed; page += 1) {
            const exchange = await send(caller, list.method, cursor ? { cursor } : {}, { signal: stop.signal });
            if (stop.signal.aborted) return;
            const result = exchange.response?.result;
            if (!result) failed = verdictOf(exchange);
            for (const item of result?.[list.member] ?? []) seen.set(`${list.kind}:${item[list.id]}`, { list, item });
            cursor = result?.nextCursor;
            if (!cursor) break;
        }
    }
    for (const { list, item } of seen.values()) remember(list, item);
    loaded(panel, seen, failed ? `No list. ${failed[1]}: ${failed[2]}` : sentence(`${caller.name} sees ${counts(seen)}`));
}

/** Shows the loaded lists of a caller. `seen` has the entries that the caller sees, and is `null` if they are not known. */
function loaded(panel, seen, text) {
    panel.seen = seen;
    panel.acting.tell(text);
    app.setAttribute('aria-busy', 'false');
    changed();
    const first = entries.get(seen?.keys().next().value) ?? entries.values().next().value;
    if (!chosen && first) choose(first);
}

function counts(seen) {
    const counted = LISTS.map(({ kind }) => [kind, [...seen.values()].filter(({ list }) => list.kind === kind).length]);
    const some = counted.filter(([, number]) => number > 0);
    return some.map(([kind, number]) => `${number} ${kind}${number > 1 ? 's' : ''}`).join(', ') || 'nothing';
}

/** Adds an entry to the list, unless it is there. An entry stays when its caller changes, and so do its typed values. */
function remember(list, item) {
    const key = `${list.kind}:${item[list.id]}`;
    if (entries.has(key)) return;
    const radio = el('input', { type: 'radio', name: 'entry', change: () => choose(entry) });
    const note = el('span', { class: 'hint' });
    const title = item.title ?? item.annotations?.title;
    const entry = { key, list, item, id: item[list.id], radio, note };
    const name = [el('code', {}, entry.id), title && el('span', { class: 'quiet' }, ` ${title}`)];
    entry.node = el('label', {}, radio, el('span', {}, name, note));
    entries.set(key, entry);
    let group = picker.querySelector(`[data-kind=${list.kind}]`);
    if (!group) {
        group = el('fieldset', { 'data-kind': list.kind }, el('legend', {}, list.title));
        const later = LISTS.slice(LISTS.indexOf(list) + 1).map(({ kind }) => picker.querySelector(`[data-kind=${kind}]`));
        picker.insertBefore(group, later.find(Boolean) ?? null);
    }
    group.append(entry.node);
}

/** Hides the entries that do not contain the text of the filter. */
function narrow() {
    const text = filter.value.trim().toLowerCase();
    const holds = (each) => each?.toLowerCase().includes(text);
    for (const { node, id, item } of entries.values()) node.hidden = ![id, item.title, item.description].some(holds);
    for (const group of picker.querySelectorAll('fieldset')) group.hidden = [...entries.values()]
        .every(({ node }) => node.hidden || node.parentElement !== group);
}

/** Says at an entry which of the callers do not see it. */
function mark(entry) {
    const blind = activePanels().filter(({ seen }) => seen && !seen.has(entry.key)).map(({ acting }) => acting.caller().name);
    entry.note.textContent = blind.length > 0 ? `not listed for ${blind.join(' and ')}` : '';
    entry.node.classList.toggle('unlisted', blind.length > 0);
}

/** Shows an entry: its description, the form, and the buttons. */
function choose(entry) {
    if (chosen && chosen !== entry) panels.forEach(({ view }) => view.age());
    chosen = entry;
    entry.radio.checked = true;
    entry.shown ??= show(entry);
    detail.hidden = false;
    detail.replaceChildren(...entry.shown);
    entry.nameButtons();
}

function show(entry) {
    const { list, item, id } = entry;
    const title = item.title ?? item.annotations?.title;
    const suggest = capabilities?.completions && list.kind !== 'tool' ? (...typed) => complete(entry, ...typed) : null;
    entry.form = argumentsForm(schemaOf(entry), suggest);
    const call = el('button', { class: 'primary' });
    const explain = button('Explain only', () => explainOnly(entry));
    const copied = el('div', { class: 'copied', role: 'status' });
    const curl = button('Copy as curl', () => copy(curlOf(panels[0].acting.caller(), requestOf(entry)), copied));
    entry.cancel = button('Cancel', () => {
        call.focus();
        panels.forEach(({ stop }) => stop?.abort());
    }, { hidden: true });
    entry.complaint = el('p', { class: 'warning', role: 'status' });
    entry.nameButtons = () => {
        const [first] = activePanels();
        call.textContent = `${list.verb} as ${compare.checked ? 'both' : first.acting.caller().name}`;
    };
    return [
        el('h3', {}, title ?? id),
        el('p', { class: 'tags' }, title && el('code', {}, id), tagsOf(item).map((tag) => el('span', { class: 'tag' }, tag))),
        item.description && el('p', { class: 'description' }, item.description),
        entry.form.node, entry.complaint,
        el('div', { class: 'buttons' }, call, entry.cancel, explain, curl), copied,
        fold('Definition', block(pretty(item))),
    ].filter(Boolean);
}

function tagsOf({ annotations = {}, mimeType }) {
    const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = annotations;
    return [
        readOnlyHint && 'read-only', destructiveHint && !readOnlyHint && 'destructive', idempotentHint && 'idempotent',
        openWorldHint === false && 'closed world', mimeType,
    ].filter(Boolean);
}

function schemaOf({ list, item }) {
    if (list.kind === 'tool') return item.inputSchema;
    if (list.kind === 'template') return templateSchema(item.uriTemplate);
    const declared = item.arguments ?? [];
    const properties = declared.map(({ name, title, description }) => [name, { type: 'string', title, description }]);
    return {
        type: 'object',
        properties: Object.fromEntries(properties),
        required: declared.filter(({ required }) => required).map(({ name }) => name),
    };
}

/** Returns the method, the parameters and the mirrored headers of the request that the form describes. */
function useOf({ list, item, id, form }) {
    const values = form.read();
    if (list.kind === 'tool') {
        return { method: 'tools/call', params: { name: id, arguments: values }, headers: mirrored(item.inputSchema, values) };
    }
    if (list.kind === 'prompt') return { method: 'prompts/get', params: { name: id, arguments: values } };
    return { method: 'resources/read', params: { uri: list.kind === 'template' ? expand(id, values) : id } };
}

function requestOf(entry) {
    const { method, params, headers } = useOf(entry);
    return build(method, params, headers);
}

/** Resolves to the values that the server suggests for an argument. Without an answer there are no suggestions. */
async function complete({ list, id, form }, name, value, signal) {
    const ref = list.kind === 'prompt' ? { type: 'ref/prompt', name: id } : { type: 'ref/resource', uri: id };
    const params = { ref, argument: { name, value }, context: { arguments: form.read() } };
    const { response } = await send(panels[0].acting.caller(), 'completion/complete', params, { signal });
    return response?.result?.completion?.values ?? [];
}

/** Sends the request of the form as each active caller. */
async function run() {
    const entry = chosen;
    const wrong = entry.form.check();
    const looks = wrong === 1 ? 'A value looks' : `${wrong} values look`;
    entry.complaint.textContent = wrong > 0 ? `${looks} wrong. The request is sent all the same.` : '';
    entry.cancel.hidden = false;
    const active = activePanels();
    const stops = active.map((panel) => {
        panel.stop?.abort();
        return panel.stop = new AbortController();
    });
    try {
        await Promise.all(active.map((panel, index) => use(panel, entry, useOf(entry), stops[index].signal)));
    } catch (error) {
        entry.complaint.textContent = `The request cannot be built: ${error.message}`;
    }
    const isNewest = active.every((panel, index) => panel.stop === stops[index]);
    if (!isNewest) return;
    if (document.activeElement === entry.cancel) detail.querySelector('.primary').focus();
    entry.cancel.hidden = true;
}

/** Sends one request, answers its questions, and shows the outcome with its reasons. */
async function use({ view, acting }, entry, { method, params, headers }, signal) {
    const caller = acting.caller();
    const trace = hex(16);
    let exchange;
    let answers = {};
    view.begin(caller.title, 'Sending …');
    for (;;) {
        exchange = await send(caller, method, { ...params, ...answers }, { headers, trace, signal, onMessage: view.note });
        if (signal.aborted && !exchange.isCancelled) return;
        view.show(exchange);
        const { resultType, inputRequests = {}, requestState } = exchange.response?.result ?? {};
        if (resultType !== 'input_required') break;
        prove(view, exchange);
        const inputResponses = await answersTo(inputRequests, view, signal);
        if (inputResponses === null) return;
        answers = { inputResponses, requestState };
    }
    const { result } = exchange.response ?? {};
    if (result?.resultType === 'task') follow(caller, result, view, { trace, signal, onEnd: (each) => prove(view, each) });
    await Promise.all([prove(view, exchange), explain({ view, acting }, caller, entry)]);
}

/** Shows the audit records and the log lines of an exchange. A record is written a moment after the response. */
async function prove(view, exchange) {
    let records = null;
    view.proving = exchange;
    for (let attempt = 0; attempt < 5; attempt += 1) {
        records = await ask('records', { trace_id: exchange.trace }).catch(() => null);
        if (records === null || records.audit?.length > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
    }
    if (view.proving === exchange) view.prove(exchange, records);
}

/** Shows the explanation of the server: which requirements the caller meets. */
async function explain({ view, acting }, caller, entry) {
    try {
        const token = await tokenOf(caller);
        const explanation = await ask('explain', { name: entry.id }, { token, query: queryOf(caller) });
        const scopes = explanation.scopes ?? [];
        const helps = scopes.length > 0 && caller.wish?.kind === 'oauth';
        const retry = helps && button('Take a token with these scopes', () => acting.setScopes(scopes.join(' ')));
        const isDenied = explanation.decision === 'denied';
        const outside = isDenied && caller.isOutside && el('p', {}, `${caller.name} is a member of no organization of the `,
            'local Clerk, so another token does not help: somebody must add the person to an organization.');
        view.explain(outside, whyOf(explanation), retry);
    } catch (error) {
        view.explain(el('h4', {}, 'Why'), el('p', {}, `There is no explanation: ${error.message}`));
    }
}

async function explainOnly(entry) {
    for (const panel of activePanels()) {
        panel.stop?.abort();
        const caller = panel.acting.caller();
        panel.view.begin(caller.title, 'Explained only: nothing was sent to the function.');
        await explain(panel, caller, entry);
    }
}

/** Copies a text. If the browser refuses, the text is selected, so that a person can copy it. */
async function copy(source, status) {
    const command = block(source);
    const isCopied = await Promise.resolve(navigator.clipboard?.writeText(source).then(() => true)).catch(() => false);
    const text = isCopied ? 'The command is copied:' : 'The browser refused to copy. Copy the selected command:';
    status.replaceChildren(el('p', {}, text), command);
    if (!isCopied) getSelection().selectAllChildren(command);
}

function begin() {
    const advice = DATA.people.length > 1
        ? [`Fill in the form and press “Call as ${DATA.people[0].name}”, then choose another person under “Act as” and `,
            'press the button again: the outcome says what each person may do, and why.']
        : ['Paste an access token under “Act as”, choose a tool and call the tool: the outcome says what the owner ',
            'of the token may do, and why.'];
    const outcomes = el('div', { class: 'outcomes' }, panels.map(({ view }) => view.node));
    app.append(
        el('h2', { id: 'explorer-title' }, 'Explorer'),
        el('p', {}, advice),
        el('div', { class: 'callers' }, panels.map(({ acting }) => acting.node)),
        el('label', { class: 'check' }, compare, ' Compare with a second person'),
        el('div', { class: 'bench' },
            el('div', {}, labelled('Filter', filter), picker), el('div', { class: 'work' }, detail, outcomes)),
    );
    app.setAttribute('role', 'region');
    app.setAttribute('aria-labelledby', 'explorer-title');
    app.setAttribute('aria-busy', 'true');
    for (const list of LISTS) DATA.declared[list.member].forEach((item) => remember(list, item));
    app.hidden = false;
    changed();
    load(panels[0]);
}

begin();
