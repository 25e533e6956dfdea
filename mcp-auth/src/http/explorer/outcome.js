// Shows the outcome of a request: the verdict, the result, the reasons, and the evidence.

/** Returns the tone, the title and the text of an outcome. */
function verdictOf({ failure, isCancelled, status, headers, response }) {
    if (failure) return ['bad', isCancelled ? 'Cancelled' : 'Failed', failure];
    const { result, error } = response ?? {};
    const text = error?.message ?? response?.error_description ?? '';
    const wait = headers.get('Retry-After');
    const later = wait ? ` Try again in ${wait} s.` : '';
    if (result?.resultType === 'input_required') return ['asks', 'Question', 'The server asks before it continues.'];
    if (result?.resultType === 'task') return ['asks', 'Task', 'The server runs the call as a task.'];
    if (result?.isError) {
        const denied = result._meta?.['mcp-auth-rs/denied'];
        return ['bad', denied ? 'Denied' : 'Allowed, but failed', firstText(result)];
    }
    if (result) return ['good', 'Allowed', ''];
    if (status === 401) return ['bad', 'Not signed in', text];
    if (status === 403) return ['bad', 'Denied', text];
    if (status === 413) return ['bad', 'Too long', 'The request is longer than this server reads. Shorten an argument.'];
    if (status === 429) return ['bad', 'Too many requests', text + later];
    if (status === 503) return ['bad', 'Not available', `${text}.${later}`];
    return ['bad', error ? `Error ${error.code}` : `HTTP ${status}`, text || 'The response is not a JSON-RPC response.'];
}

function firstText(result) {
    return result.content?.find(({ type }) => type === 'text')?.text ?? '';
}

/** Shows the content of a result: blocks of a tool, messages of a prompt, or contents of a resource. */
function resultOf(result) {
    const { content = [], structuredContent, messages = [], contents = [], isError } = result;
    const isStructured = structuredContent !== undefined;
    const repeats = ({ type, text }) => isStructured && type === 'text' && same(parsed(text).value, structuredContent);
    // The verdict shows the first text of an error.
    const shown = content.filter((each) => !repeats(each) && !(isError && each.text === firstText(result)));
    const messageOf = ({ role, content }) => el('div', {}, el('p', { class: 'quiet' }, role), [content].flat().map(contentOf));
    return [
        shown.map(contentOf),
        isStructured && block(pretty(structuredContent)),
        messages.map(messageOf),
        contents.map((resource) => contentOf({ type: 'resource', resource })),
    ];
}

function contentOf(content) {
    const { type, text, data, mimeType, resource, uri, name } = content ?? {};
    if (type === 'text') return block(text);
    if (type === 'image' || type === 'audio') return bytesOf(mimeType, data);
    if (type === 'resource_link') return el('p', {}, 'Link to the resource ', el('code', {}, uri), name && ` (${name})`);
    if (type === 'resource' && resource) {
        const caption = el('p', { class: 'quiet' }, el('code', {}, resource.uri), ' ', resource.mimeType);
        return [caption, resource.text === undefined ? bytesOf(resource.mimeType, resource.blob) : block(resource.text)];
    }
    return block(pretty(content));
}

/** Shows an image of a type that cannot contain scripts. Of all other types, only the size is shown. */
function bytesOf(mimeType, base64 = '') {
    if (IMAGES.includes(mimeType)) {
        return el('img', { src: `data:${mimeType};base64,${base64}`, alt: `The returned image, ${mimeType}` });
    }
    const size = Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
    return el('p', {}, `${size} bytes of the type ${mimeType ?? 'application/octet-stream'}`);
}

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

/** Shows an explanation of the server, with a row for each requirement. */
function whyOf({ decision, reason, requirements = [], then = [], hint, scopes = [] }) {
    const rows = requirements.flatMap((each) => rowsOf(each, 0));
    const needs = [...new Set(requirements.filter(({ met }) => met !== true).map((each) => each.needs).filter(Boolean))];
    const changes = [
        ...needs.map(sentence),
        hint && !needs.some((each) => each.includes(hint)) && sentence(hint),
        scopes.length > 0 && `A new token with the scopes ${scopes.join(' ')}.`,
    ].filter(Boolean);
    return [
        el('h4', {}, 'Why'),
        el('p', {}, sentence((DECISIONS[decision] ?? decision) + (reason ? `: ${reason}` : ''))),
        rows.length > 0 ? requirementTable(rows) : el('p', { class: 'quiet' }, 'The guard has no requirements.'),
        then.map((each) => el('p', {}, 'Then the server decides by the arguments: ', el('code', {}, each))),
        changes.length > 0 && [el('h4', {}, 'What would change it?'), el('ul', {}, changes.map((each) => el('li', {}, each)))],
    ];
}

const DECISIONS = {
    allowed: 'The guard allows this caller',
    denied: 'The guard denies this caller',
    depends_on_policy: 'A policy decides about this caller',
    not_signed_in: 'The guard needs an accepted token',
    undecided: 'The guard cannot decide now',
};

/** Returns the rows of a requirement, and the rows of its alternatives below. */
function rowsOf({ requirement, stated_by: by, met, found, needs, from, alternatives = [] }, depth, word = '') {
    const inner = alternatives.flatMap((all, index) =>
        all.flatMap((each, position) => rowsOf(each, depth + 1, position > 0 ? 'and ' : index > 0 ? 'or ' : 'either ')));
    return [{ requirement: word + requirement + (by ? ` (${by})` : ''), met, found, needs, from, depth }, ...inner];
}

/** The roles keep the meaning of the cells where the style shows the rows below each other. */
function requirementTable(rows) {
    const words = { true: ['met', 'good'], false: ['not met', 'bad'] };
    const cell = (label, text, tone) =>
        el('td', { role: 'cell', 'data-label': label, class: text ? tone : 'none' }, text ?? '–');
    const names = ['Requirement', 'Met', 'Found', 'From', 'Needs'];
    const heads = names.map((name) => el('th', { role: 'columnheader', scope: 'col' }, name));
    const body = rows.map(({ requirement, met, found, from, needs, depth }) => {
        const [word, tone] = words[met] ?? ['unknown', 'quiet'];
        const head = el('th', { role: 'rowheader', scope: 'row', class: `depth-${Math.min(depth, 3)}` }, requirement);
        return el('tr', { role: 'row' }, head, cell('Met', word, tone), cell('Found', found), cell('From', from),
            cell('Needs', needs));
    });
    return el('table', { role: 'table', class: 'requirements', 'aria-label': 'Requirements of the guard' },
        el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, heads)),
        el('tbody', { role: 'rowgroup' }, body));
}

/** Shows what was sent and received, without the token. */
function evidenceOf({ caller, request, trace, status, headers, text, response }, records) {
    const challenge = headers?.get('WWW-Authenticate');
    const meta = response?.result?._meta;
    const sent = { ...request.headers, traceparent: `00-${trace}-…` };
    if (caller.wish || caller.pasted) sent.Authorization = 'Bearer $TOKEN';
    const head = (all) => Object.entries(all).map(([name, value]) => `${name}: ${value}`).join('\n');
    const { value, error } = parsed(text ?? '');
    const { audit = [], log = [], log_note: note } = records ?? {};
    const termOf = ([name, each]) => [el('dt', {}, name), el('dd', {}, el('code', {}, each))];
    const none = (text) => el('p', {}, text);
    const received = () => `HTTP ${status}\n${head(Object.fromEntries(headers))}\n\n${error ? text : pretty(value)}`;
    return el('div', { class: 'evidence' },
        challenge && fold('Challenge', el('dl', {}, challengeOf(challenge).map(termOf))),
        meta && fold('_meta', block(pretty(meta))),
        records && [
            fold(`Audit records (${audit.length})`,
                audit.length ? audit.map((record) => block(pretty(record))) : none('The request has no record.')),
            fold(`Log lines (${log.length})`,
                log.length ? block(log.join('\n')) : none(note ?? 'The request has no line in the log.')),
        ],
        fold('Request', block(`POST ${DATA.endpoint}${queryOf(caller)}\n${head(sent)}\n\n${pretty(request.body)}`)),
        status && fold('Response', block(received())));
}

const EARLIER = 'Earlier: ';

/** Makes the part of the page with the outcome of one caller. */
function outcomeView() {
    const title = el('h3', { tabindex: '-1' });
    const verdict = el('p', { class: 'verdict', role: 'status' });
    const messages = el('ol', { class: 'messages', 'aria-live': 'polite', 'aria-label': 'Messages while the call runs' });
    const [questions, result, why, evidence] = Array.from({ length: 4 }, () => el('div', {}));
    const node = el('section', { class: 'outcome', hidden: true }, title, verdict, messages, questions, result, why, evidence);
    const fill = (part, ...content) => replace(part, title, ...content);
    return {
        node,
        begin(name, text) {
            node.hidden = false;
            title.textContent = name;
            verdict.replaceChildren(text);
            messages.replaceChildren();
            for (const part of [questions, result, why, evidence]) fill(part);
        },
        /** Marks the outcome as one of an earlier choice. */
        age() {
            if (!title.textContent.startsWith(EARLIER)) title.textContent = EARLIER + title.textContent;
        },
        show(exchange, outcome = exchange.response?.result) {
            const [tone, name, text] = verdictOf(exchange);
            const status = exchange.status ? `HTTP ${exchange.status}, ` : '';
            const facts = el('span', { class: 'quiet facts' }, `${status}${Math.round(exchange.ms)} ms`);
            verdict.replaceChildren(el('strong', { class: tone }, name), ` ${text} `, facts);
            fill(result, outcome && resultOf(outcome));
        },
        note({ method, params = {} }) {
            const isProgress = method === 'notifications/progress';
            const of = params.total === undefined ? '' : ` of ${params.total}`;
            const data = typeof params.data === 'string' ? params.data : JSON.stringify(params.data ?? params);
            const text = isProgress ? `${params.progress}${of} ${params.message ?? ''}` : `${params.level ?? method}: ${data}`;
            messages.append(el('li', {}, text));
            if (messages.children.length > MAX_MESSAGES) messages.firstElementChild.remove();
        },
        explain: (...content) => fill(why, content),
        prove: (exchange, records) => fill(evidence, evidenceOf(exchange, records)),
        /** Shows content that a person must answer, and moves the focus to it. */
        ask(...content) {
            fill(questions, content);
            questions.querySelector('h4')?.focus();
        },
        answered: () => fill(questions),
    };
}

const MAX_MESSAGES = 200;
