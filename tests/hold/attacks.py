"""The attacks. Each function is named after the rule that must hold. `field` is the server under attack."""

import asyncio
import json
import secrets
import time

from connections import Bad, Crowd, exchange, head, post
from programs import Failure

ATTACKS = []


def attack(**settings):
    """Registers an attack with its settings:

    - `long`: the attack is repeated for `HOLD_SECONDS`;
    - `descriptors`: the server's limit of open descriptors;
    - `grows`: the maximal growth of the server's resident memory, in MiB;
    - `keeps`: the maximal number of descriptors that stay open after the attack;
    - `proxied`: the server is behind nginx, and has nginx's public URL."""

    def register(function):
        ATTACKS.append((function, {"descriptors": 4096, "grows": 32, "keeps": 8, "proxied": False} | settings))
        return function

    return register


# Attacks by single connections. The server's deadlines are 10 s for a head and 30 s for a blocked answer.


@attack(long=True)
async def answers_that_are_never_read_end_their_connection_and_fill_no_memory(field):
    requests = [
        head("GET", "/x", field),
        head("DELETE", "/mcp", field),
        head("OPTIONS", "/mcp", field, "Origin: http://localhost:1"),
        head("POST", "/mcp", field, "Content-Type: text/plain", "Content-Length: 0"),
        head("GET", "/mcp", field),
    ]
    end = time.monotonic() + field.seconds
    while True:
        ends = await asyncio.gather(*(Crowd.pump(field, request * 500, 45) for request in requests))
        field.note(f"closed after {max(ends):.0f} s")
        if time.monotonic() > end:
            return


@attack(long=True)
async def a_connection_that_goes_silent_costs_no_cpu_and_is_closed(field):
    end = time.monotonic() + field.seconds
    while True:
        crowd = await Crowd.of(field, 1, receive=4096)
        await crowd.fill(head("GET", "/mcp", field) * 2000, 5 << 20)
        begin = time.monotonic()
        await field.is_idle(8)
        await crowd.is_closed(40)
        field.note(f"closed after {time.monotonic() - begin:.0f} s")
        if time.monotonic() > end:
            return


@attack(long=True)
async def a_byte_of_a_request_holds_no_connection(field):
    end = time.monotonic() + field.seconds
    while True:
        crowd = await Crowd.of(field, 500)
        await crowd.send(head("GET", "/mcp", field))
        await asyncio.sleep(0.5)
        await crowd.drain()
        await crowd.send(b"P")
        begin = time.monotonic()
        await field.is_idle(5)
        await crowd.is_closed(15)
        field.note(f"closed after {time.monotonic() - begin:.0f} s")
        if time.monotonic() > end:
            return


# Slow attacks.


@attack()
async def a_head_that_trickles_in_is_cut(field):
    crowd = await Crowd.of(field, 500)
    begin = time.monotonic()
    await crowd.trickle(head("GET", "/mcp", field, "X: " + "x" * 4000), 16)
    field.note(f"closed after {time.monotonic() - begin:.0f} s")


@attack(grows=48)
async def a_body_that_trickles_in_is_cut(field):
    crowd = await Crowd.of(field, 100)
    await crowd.send(post(field, b"", field.token, length=4 << 20))
    begin = time.monotonic()
    await crowd.trickle(b"{" * 1000, 40)
    field.note(f"closed after {time.monotonic() - begin:.0f} s")


@attack()
async def answers_that_are_read_byte_by_byte_fill_no_memory(field):
    crowd = await Crowd.of(field, 200, receive=4096)
    await crowd.fill(head("GET", "/mcp", field) * 2000, 1 << 20)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        await crowd.read(1)
        await asyncio.sleep(0.5)
    crowd.close()


@attack()
async def requests_behind_a_call_in_flight_wait_and_cost_no_cpu(field):
    token = field.clerk.token(user="grace")
    field.clerk.slow_down(6000)
    try:
        crowd = await Crowd.of(field, 1, receive=4096)
        await crowd.send(post(field, CALL, token))
        await asyncio.sleep(0.2)
        await crowd.fill(head("GET", "/mcp", field) * 2000, 1 << 20)
        await field.is_idle(3, percent=15)
        crowd.close()
    finally:
        field.clerk.slow_down(0)


# Attacks by many connections.


@attack(descriptors=256)
async def a_thousand_connections_leave_256_descriptors_for_others(field):
    crowd = await Crowd.of(field, 1000)
    await asyncio.sleep(4)
    crowd.close()


@attack(descriptors=1024, grows=64)
async def five_thousand_connections_of_one_address_leave_others_served(field):
    await held(field, ["127.0.0.2"])


@attack(descriptors=1024, grows=64)
async def five_thousand_connections_of_fifty_addresses_leave_others_served(field):
    await held(field, [f"127.1.{site}.1" for site in range(50)])


async def held(field, sources):
    """Holds connections in different states: idle, in the head, between requests, in the answer, in the body."""
    get = head("GET", "/mcp", field)
    kinds = [b"", get[:20], get + b"P", get * 300, post(field, b"{", field.token, length=1000)]
    crowds = await asyncio.gather(*(Crowd.of(field, 1000, sources, kind) for kind in kinds))
    await asyncio.sleep(6)
    field.note(f"{sum(crowd.refused for crowd in crowds)} refused")
    for crowd in crowds:
        crowd.close()


@attack(grows=96)
async def bodies_that_are_held_back_fill_no_memory(field):
    size = 4 << 20
    crowd = await Crowd.of(field, 300)
    await crowd.send(post(field, b"", field.token, length=size))
    await crowd.fill(b" " * (size - 1), size - 1, 12)
    crowd.close()


# Floods of bad tokens. A new valid token must be accepted at once, even from the address of the flood.


@attack()
async def bad_signatures_shut_out_no_good_token(field):
    good = field.clerk.token(client_id="good")
    payload = good.rsplit(".", 1)[0]
    await flood(field, lambda: f"{payload}.{secrets.token_urlsafe(256)}", {401, 429})
    await is_accepted(field, field.clerk.token(client_id="new"))


@attack()
async def unknown_key_ids_shut_out_no_good_token(field):
    good = field.clerk.token(client_id="good")
    _, payload, signature = good.split(".")

    def token():
        text = json.dumps({"alg": "RS256", "kid": f"ins_{secrets.token_hex(8)}", "typ": "at+jwt"})
        return f"{Bad.base64(text)}.{payload}.{signature}"

    await flood(field, token, {401, 429, 503})
    await is_accepted(field, field.clerk.token(client_id="new"))


# The server keeps idle connections to Clerk open for a while.
@attack(keeps=80)
async def made_up_opaque_tokens_shut_out_no_good_token(field):
    await flood(field, lambda: f"oat_{secrets.token_hex(32)}", {401, 429, 503})
    await is_accepted(field, field.clerk.token(client_id="new"))


@attack()
async def huge_heads_are_refused(field):
    async def one():
        line = "X-Long: " + "x" * (200 * 1024)
        return await exchange(field, head("GET", "/mcp", field, line))

    answered = []
    for _ in range(10):
        answered += await asyncio.gather(*(one() for _ in range(20)))
    statuses = {status for status, _ in answered}
    if not statuses <= {None, 400, 408, 413, 414, 431}:
        raise Failure(f"huge heads were answered with {statuses}")
    field.note(f"{sorted(map(str, statuses))}")


async def flood(field, token, allowed, workers=200):
    """Sends 2 000 bad tokens from one address, or fewer if ten seconds have passed."""
    statuses = {}
    end = time.monotonic() + 10

    async def worker():
        while time.monotonic() < end and sum(statuses.values()) < 2000:
            status, _ = await exchange(field, post(field, CALL, token()), "127.0.0.2")
            statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(worker() for _ in range(workers)))
    if not set(statuses) <= allowed or statuses.get(401, 0) == 0:
        raise Failure(f"bad tokens were answered with {statuses}")
    field.note(", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())))


async def is_accepted(field, token, port=None, source="127.0.0.2"):
    begin = time.monotonic()
    status, body = await exchange(field, post(field, CALL, token), source, port)
    took = time.monotonic() - begin
    if status != 200 or took > 2:
        raise Failure(f"a new good token was answered with {status} after {took:.1f} s: {body[:200]!r}")


# nginx keeps idle connections to the server open.
@attack(keeps=32, proxied=True)
async def behind_a_proxy_bad_tokens_of_one_client_are_not_anothers(field):
    bad = 0
    while bad < 1000:
        tokens = [f"{secrets.token_hex(8)}.e30.AA" for _ in range(20)]
        requests = (post(field, CALL, token) for token in tokens)
        answers = await asyncio.gather(
            *(exchange(field, request, "127.0.0.2", field.proxy) for request in requests)
        )
        statuses = {status for status, _ in answers}
        if not statuses <= {401, 429}:
            raise Failure(f"bad tokens were answered with {statuses}")
        bad += len(answers)
    await is_accepted(field, field.clerk.token(client_id="new"), field.proxy, "127.0.0.3")
    status, _ = await exchange(field, post(field, CALL, "a.e30.AA"), "127.0.0.3", field.proxy)
    if status != 401:
        raise Failure(f"the bad token of another client was answered with {status}")


# Attacks on another tenant.


@attack()
async def no_handle_reaches_the_documents_of_another_organization(field):
    title = f"secret {secrets.token_hex(8)}"
    create = call("create_document", title=title, body="of acme")
    status, body = await exchange(field, post(field, create, field.token))
    document = json.loads(body)["result"]["structuredContent"]["id"]
    foreign = field.clerk.token(user="margaret", org="globex")
    nobody = field.clerk.token(user="linus", org=None)
    for token in (foreign, nobody):
        for target in ("/mcp", "/mcp?org=acme", "/mcp?org=org_acme", "/mcp?org=acme&org=globex", "/mcp?o%72g=acme"):
            for headers in ([], ["X-Organization: org_acme"], ["Organization: acme", "Org-Id: org_acme"]):
                for arguments in (
                    call("list_documents"),
                    call("list_documents", organization_id="org_acme"),
                    call("get_document", document_id=document),
                    call("get_document", document_id=document, org="org_acme"),
                    call("update_document", document_id=document, title="taken"),
                    call("share_document", document_id=document, organization_id="org_globex"),
                ):
                    request = post(field, arguments, token, *headers, target=target)
                    status, body = await exchange(field, request)
                    if title.encode() in body or b"of acme" in body or status >= 500:
                        raise Failure(f"{target} {headers} {arguments!r}: {status} {body!r}")
    told = set()
    for name in ("0" * len(document), document):
        _, body = await exchange(field, post(field, call("get_document", document_id=name), foreign))
        told.add(body.replace(name.encode(), b""))
    if len(told) > 1:
        raise Failure(f"an unknown document and another's are told apart: {told}")
    status, body = await exchange(field, post(field, call("get_document", document_id=document), field.token))
    if title.encode() not in body:
        raise Failure(f"the document was changed: {body!r}")


def call(name, **arguments) -> bytes:
    params = {"name": name, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(message).encode()


CALL = call("list_documents")
