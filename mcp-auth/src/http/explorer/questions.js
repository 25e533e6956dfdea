// Shows the questions of a server, and the tasks that it runs.

/**
 * Asks a person the questions of a result (MCP 2026-07-28, mrtr and elicitation). Resolves to the answers by name, and to
 * `null` if the call is cancelled meanwhile.
 */
function answersTo(questions, view, signal) {
    return new Promise((resolve) => {
        const open = Object.entries(questions).map(([name, { method, params }]) => questionOf(name, method, params ?? {}));
        const finish = (answers) => {
            view.answered();
            resolve(answers);
        };
        const answer = (action) => finish(Object.fromEntries(open.map(({ name, read }) => [name, read(action)])));
        signal.addEventListener('abort', () => finish(null), { once: true });
        const form = el('form', { novalidate: true, submit: (event) => {
            event.preventDefault();
            answer('accept');
        } },
        open.map(({ node }) => node),
        el('div', { class: 'buttons' }, el('button', { class: 'primary' }, 'Accept'),
            button('Decline', () => answer('decline')), button('Close the question', () => answer('cancel'))));
        const title = open.length === 1 ? 'The server asks' : `The server asks ${open.length} questions`;
        view.ask(el('h4', { tabindex: '-1' }, title), form);
    });
}

/** Makes the form of a question. `read` returns the answer for an action. */
function questionOf(name, method, { message, mode = 'form', url, requestedSchema }) {
    if (method !== 'elicitation/create') {
        const field = jsonField(`the answer to ${method}`, {}, { required: true });
        return { name, node: field.node, read: () => field.read() };
    }
    if (mode === 'url') {
        const target = parsedUrl(url);
        const attributes = target && { href: target.href, target: '_blank', rel: 'noopener noreferrer' };
        const link = target ? el('a', attributes, target.href) : el('code', {}, url);
        const host = target && ['It leads to the host ', el('strong', {}, target.host), '.'];
        const node = el('div', {}, el('p', {}, message), el('p', {}, link), el('p', {}, host));
        return { name, node, read: (action) => ({ action }) };
    }
    const fields = members(plain(requestedSchema ?? {}, requestedSchema), { root: requestedSchema });
    const read = (action) => (action === 'accept' ? { action, content: fields.read() } : { action });
    return { name, node: el('fieldset', {}, el('legend', {}, message), fields.node), read };
}

/** Returns the URL if a link to it is safe. */
function parsedUrl(text) {
    const url = URL.canParse(text) ? new URL(text) : null;
    return ['http:', 'https:'].includes(url?.protocol) ? url : null;
}

/** Lets a person ask for the state of a task, answer its questions, and cancel it. */
function follow(caller, task, view, { trace, signal, onEnd }) {
    const state = el('p', { role: 'status' }, `The task is ${task.status}.`);
    const request = async (method, more) => {
        const exchange = await send(caller, method, { taskId: task.taskId, ...more }, { trace, signal });
        await onEnd(exchange);
        return exchange;
    };
    const poll = async () => {
        const exchange = await request('tasks/get');
        const { status, result, error, inputRequests } = exchange.response?.result ?? {};
        if (status === undefined) return view.show(exchange);
        state.textContent = `The task is ${status}.`;
        const failure = status === 'cancelled' ? 'The task is cancelled.' : undefined;
        const response = result || error ? { result, error } : { result: task };
        view.show({ ...exchange, failure, isCancelled: true, response }, result ?? {});
        if (ENDED.includes(status)) return view.ask(heading, state);
        if (inputRequests && status === 'input_required') {
            const answers = await answersTo(inputRequests, view, signal);
            if (answers === null) return;
            await request('tasks/update', { inputResponses: answers });
            offer();
            await poll();
        }
    };
    const cancel = async () => {
        const exchange = await request('tasks/cancel');
        if (exchange.response?.result) await poll();
        else view.show(exchange);
    };
    const heading = el('h4', { tabindex: '-1' }, 'Task ', el('code', {}, task.taskId));
    const offer = () => view.ask(heading, state,
        el('div', { class: 'buttons' },
            button('Ask for its state', poll, { class: 'primary' }), button('Cancel the task', cancel)));
    offer();
}

const ENDED = ['completed', 'failed', 'cancelled'];
