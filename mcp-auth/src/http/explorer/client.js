// Sends requests to the server as a caller. Access tokens stay in the memory of this script: no function writes a token to
// the page, to its URL or to a store of the browser.

const DATA = JSON.parse(document.getElementById('explorer').textContent);
const PREFIX = 'io.modelcontextprotocol/';
const CAPABILITIES = { elicitation: { form: {}, url: {} }, extensions: { [`${PREFIX}tasks`]: {} } };
/** The parameter that the header `Mcp-Name` repeats, by method. */
const NAMED_BY = {
    'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri', 'tasks/get': 'taskId', 'tasks/update': 'taskId',
    'tasks/cancel': 'taskId',
};

/** The access tokens that the local Clerk issued, by the request for the token. */
const tokens = new Map();

/** Resolves to the access token of a caller, and to `null` for a caller without a token. */
async function tokenOf(caller) {
    if (!caller.wish) return caller.pasted || null;
    const wish = JSON.stringify(caller.wish);
    const known = tokens.get(wish);
    if (known?.until > Date.now()) return known.token;
    const asked = ask('token', caller.wish);
    tokens.set(wish, { token: asked.then(({ token }) => token), until: Infinity });
    try {
        const { token, expires_in: seconds } = await asked;
        tokens.set(wish, { token, until: Date.now() + (seconds - 5) * 1000 });
        return token;
    } catch (error) {
        tokens.delete(wish);
        throw error;
    }
}

/** Forgets the token of a caller, so that the next request of the caller asks the local Clerk for another token. */
function dropToken(caller) {
    tokens.delete(JSON.stringify(caller.wish));
}

/** Asks a route of the explorer. Resolves to the JSON of the answer. */
async function ask(route, body, { token, query = '' } = {}) {
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const options = { method: 'POST', headers, body: JSON.stringify(body), cache: 'no-store', credentials: 'omit' };
    const answer = await fetch(`${DATA.explorer}/${route}${query}`, options).catch(() => {
        throw new Error(UNREACHABLE);
    });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(json.error ?? `The server answered HTTP ${answer.status} to a request of this page.`);
    return json;
}

function queryOf(caller) {
    return caller.orgInUrl ? `?org=${encodeURIComponent(caller.orgInUrl)}` : '';
}

/** Builds the headers and the body of a request, without the token and the trace (MCP 2026-07-28). */
function build(method, params, mirroredHeaders = {}) {
    build.last = (build.last ?? 0) + 1;
    const headers = {
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': DATA.protocol,
        'Mcp-Method': method,
    };
    if (NAMED_BY[method]) headers['Mcp-Name'] = headerValue(params[NAMED_BY[method]]);
    const _meta = {
        [`${PREFIX}protocolVersion`]: DATA.protocol,
        [`${PREFIX}clientInfo`]: { name: 'explorer', version: '1' },
        [`${PREFIX}clientCapabilities`]: CAPABILITIES,
    };
    if (method in NAMED_BY && !method.startsWith('tasks/')) {
        Object.assign(_meta, { progressToken: build.last, [`${PREFIX}logLevel`]: 'debug' });
    }
    const body = { jsonrpc: '2.0', id: build.last, method, params: { ...params, _meta } };
    return { headers: { ...headers, ...mirroredHeaders }, body };
}

/**
 * Sends a request as a caller. Resolves to an exchange: the request, the status, the headers, the text and the message of
 * the response, and the time. An exchange without a response has a `failure`. `onMessage` gets each notification.
 */
async function send(caller, method, params, { headers, trace = hex(16), signal, onMessage } = {}) {
    const exchange = { caller, method, params, request: build(method, params, headers), trace, text: '' };
    let start = performance.now();
    try {
        const token = await tokenOf(caller);
        const sent = { ...exchange.request.headers, traceparent: `00-${trace}-${hex(8)}-01` };
        if (token) sent.Authorization = `Bearer ${token}`;
        const body = JSON.stringify(exchange.request.body);
        start = performance.now();
        const answer = await fetch(DATA.endpoint + queryOf(caller), {
            method: 'POST', headers: sent, body, signal, cache: 'no-store', credentials: 'omit',
        }).catch((error) => {
            throw error instanceof TypeError ? new Error(UNREACHABLE) : error;
        });
        exchange.status = answer.status;
        exchange.headers = answer.headers;
        if (answer.status === 401) dropToken(caller);
        await receive(answer, exchange, onMessage);
    } catch (error) {
        exchange.failure = signal?.aborted ? 'You cancelled the request.' : error.message;
        exchange.isCancelled = signal?.aborted;
    }
    exchange.ms = performance.now() - start;
    return exchange;
}

/** Reads the response, which is JSON or a stream of events with messages. */
async function receive(answer, exchange, onMessage) {
    const isStream = answer.headers.get('Content-Type')?.startsWith('text/event-stream');
    const take = (text) => {
        const { value, error } = parsed(text);
        if (error) throw new Error(`The response is not valid JSON: ${error.message}`);
        const isResponse = !isStream || value?.id === exchange.request.body.id;
        if (isResponse) exchange.response = value;
        else onMessage?.(value);
    };
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const { done, value } = await reader.read().catch((error) => {
            throw error instanceof TypeError ? new Error('The connection broke before the response was complete.') : error;
        });
        if (done) break;
        exchange.text += value;
        if (!isStream) continue;
        const events = (rest + value).split(/\r?\n\r?\n/);
        rest = events.pop();
        events.map(dataOf).filter(Boolean).forEach(take);
    }
    if (!isStream && exchange.text) take(exchange.text);
    if (isStream && !exchange.response) throw new Error('The stream ended before the response.');
}

/** Returns the data of an event (WHATWG HTML, server-sent events). A comment has no data. */
function dataOf(event) {
    const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
    return lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}

/** Returns the scheme and the parameters of a challenge (RFC 9110 section 11.6.1). */
function challengeOf(header) {
    const [scheme] = header.split(' ', 1);
    const found = header.slice(scheme.length).matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g);
    const parameters = Array.from(found, ([, name, quoted, token]) => [name, quoted?.replace(/\\(.)/g, '$1') ?? token]);
    return [['scheme', scheme], ...parameters];
}

/** Returns a shell command that sends the request. The command reads the token from the variable `TOKEN`. */
function curlOf(caller, { headers, body }) {
    const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const lines = [`curl -sS ${quote(DATA.url + queryOf(caller))}`];
    if (caller.wish || caller.pasted) lines.push('-H "Authorization: Bearer $TOKEN"');
    lines.push(...Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`));
    lines.push(`--data-raw ${quote(JSON.stringify(body))}`);
    const command = lines.join(' \\\n  ');
    const tokenUrl = `${DATA.issuer.replace(/\/$/, '')}/dev/token`;
    if (caller.wish) return `TOKEN=$(curl -sS ${quote(`${tokenUrl}?${tokenQuery(caller.wish)}`)})\n${command}`;
    return caller.pasted ? `# Set TOKEN to your access token.\n${command}` : command;
}

function tokenQuery(wish) {
    const isDefault = ([name, value]) => value === null || (name === 'kind' && value === 'oauth');
    return new URLSearchParams(Object.entries(wish).filter((each) => !isDefault(each)));
}

/** Returns random hexadecimal digits. */
function hex(bytes) {
    return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const UNREACHABLE = 'The server cannot be reached. Start it again, and send the request again; your input is still here.';
