// A step-up of a client that requests exactly the scopes of the challenge and drops the scopes that it held. The
// challenge names every scope that the call needs and the scope for organizations, so the caller stays in the
// organization.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { serveDocument } from './document.mjs';
import { LANGCHAIN } from './example.mjs';
import { BROWSER, DOCUMENT, REDIRECT, claims, runPython, scopes, serve } from './host.mjs';

let document;

before(async () => {
    document = await serveDocument([REDIRECT]);
});
after(() => document?.stop());

for (const [format, jwt] of [['jwt', true], ['opaque', false]]) {
    test(`langchain, ${format} tokens`, async (t) => {
        const server = await serve(t, document, { ...DOCUMENT, oauth_jwt_access_tokens: jwt });
        const args = [server.endpoint, REDIRECT, document.url, BROWSER];
        const seen = await runPython(LANGCHAIN, 'langchain_step_up.py', args);

        assert.equal(seen.before, 'org_acme, org:admin');
        assert.equal(seen.written, 'user_ada wrote Plan');
        assert.equal(seen.after, seen.before);
        const asked = seen.authorizations.map((url) => new URL(url).searchParams);
        assert.deepEqual(asked.map(scopes), [
            ['email', 'profile', 'user:org:read'],
            ['documents:write', 'user:org:read'],
        ]);
        for (const authorization of asked) assert.equal(authorization.get('client_id'), document.url);
        assert.equal(seen.tokens.length, 2);
        for (const token of seen.tokens) {
            assert.match(token, jwt ? /^ey/ : /^oat_/);
            if (jwt) assert.equal(claims(token).aud, server.endpoint);
        }
    });
}
