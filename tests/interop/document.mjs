// A metadata document of a client, served by https on loopback with a new certificate.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Serves the document of a client with these redirect URIs at `url`. A program that fetches it must trust the
 * certificate in the file `certificate`.
 */
export async function serveDocument(redirectUris) {
    const folder = await mkdtemp(join(tmpdir(), 'document-'));
    const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
    await run('openssl', [
        'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', certificate,
    ]);
    const server = createServer({ key: await readFile(key), cert: await readFile(certificate) });
    server.on('request', (request, response) => {
        const document = {
            client_id: url,
            client_name: 'interop',
            redirect_uris: redirectUris,
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none',
        };
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(document));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${server.address().port}/client.json`;
    const stop = async () => {
        server.closeAllConnections();
        server.close();
        await rm(folder, { recursive: true });
    };
    return { url, certificate, stop };
}
