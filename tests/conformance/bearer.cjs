// Loaded before the suite, which knows no tokens: adds `Authorization` to each request that goes to
// the server under test, and changes nothing else. The suite sends through undici and node:http.

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
    // Only plain options are used for the server under test; anything else passes as it is.
    const ours = options?.constructor === Object && String(options.port) === target.port;
    return send.call(this, ours ? { ...options, headers: withToken(options.headers) } : options, ...rest);
};

/** Headers come as a flat list, as pairs or as an object. */
function withToken(headers) {
    if (Array.isArray(headers)) return [...headers, 'authorization', value];
    const pairs = typeof headers?.[Symbol.iterator] === 'function' ? headers : Object.entries(headers ?? {});
    return { ...Object.fromEntries(pairs), authorization: value };
}
