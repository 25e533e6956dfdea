"""The storage and the browser of a client that signs in, for both versions of the SDK."""

import asyncio
from urllib.parse import parse_qs, urlparse

from mcp.client.auth import OAuthClientProvider
from mcp.shared import auth
from mcp.shared.auth import OAuthClientMetadata


class Kept:
    """The client's storage, in memory."""

    client_info = None
    tokens = None

    def __init__(self):
        self.access_tokens = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.access_tokens.append(tokens.access_token)

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Browser:
    """Allows every request, and stores the response."""

    def __init__(self, program):
        self.program = program
        self.visited = []
        self.answer = None

    async def visit(self, url):
        self.visited.append(url)
        browser = await asyncio.create_subprocess_exec(
            self.program, "--print", url, stdout=asyncio.subprocess.PIPE
        )
        stdout, _ = await browser.communicate()
        answer = parse_qs(urlparse(stdout.decode().strip()).query)
        self.answer = {name: values[0] for name, values in answer.items()}

    async def answered(self):
        code, state = self.answer["code"], self.answer["state"]
        # Version 1 of the SDK expects a pair.
        if not hasattr(auth, "AuthorizationCodeResult"):
            return code, state
        return auth.AuthorizationCodeResult(code=code, state=state, iss=self.answer.get("iss"))


def provider(endpoint, redirect_uri, document_url, kept, browser):
    """The OAuth client: it has a metadata document, and registers itself if the issuer accepts no documents."""
    return OAuthClientProvider(
        server_url=endpoint,
        client_metadata=OAuthClientMetadata(
            client_name="interop",
            redirect_uris=[redirect_uri],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=kept,
        redirect_handler=browser.visit,
        callback_handler=browser.answered,
        client_metadata_url=document_url,
    )
