// Adds `Authorization` to each request to the server under test, because the suite does not support tokens. The script
// is loaded before the suite, which sends through undici and node:http.

const http = require('node:http');
const { Agent, setGlobalDispatcher } = require('undici');

const target = new URL(process.env.TARGET_URL);
const value = `Bearer ${process.env.TARGET_TOKEN}`;

setGlobalDispatcher(
    new Agent().compose((dispatch) => (request, handler) => {
        const ours = new URL(request.origin).origin === target.origin;
        const headers = ours ? withToken(request.headers) : request.headers;
        return dispatch({ ...request, headers }, handler);
    }),
);

const send = http.request;
http.request = function (options, ...rest) {
    // The suite uses plain options for the server under test. Other calls are passed on unchanged.
    const ours = options?.constructor === Object && String(options.port) === target.port;
    return send.call(this, ours ? { ...options, headers: withToken(options.headers) } : options, ...rest);
};

/** Adds a header to a flat list, to pairs or to an object. */
function withToken(headers) {
    if (Array.isArray(headers)) return [...headers, 'authorization', value];
    const pairs = typeof headers?.[Symbol.iterator] === 'function' ? headers : Object.entries(headers ?? {});
    return { ...Object.fromEntries(pairs), authorization: value };
}
