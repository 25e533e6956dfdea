"""The connections of an attacker."""

import asyncio
import base64
import socket
import ssl
import time

from programs import Failure


class Bad:
    @staticmethod
    def base64(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def head(method, target, field, *lines) -> bytes:
    lines = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{field.public}\r\n{lines}\r\n".encode()


def post(field, body: bytes, token: str, *lines, length=None, target="/mcp") -> bytes:
    return (
        head(
            "POST",
            target,
            field,
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body) if length is None else length}",
            *lines,
        )
        + body
    )


async def connect(port, source, receive=None, tls=None):
    """Connects from this address; `None` if the connection is refused. With a context, the connection is TLS."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    # Without this option a source port can be used for one destination only.
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    try:
        sock.bind((source, 0))
        await asyncio.wait_for(loop.sock_connect(sock, ("127.0.0.1", port)), 5)
        if tls:
            sock = tls.wrap_socket(sock, server_hostname="127.0.0.1", do_handshake_on_connect=False)
            await asyncio.wait_for(shake_hands(sock), 5)
        return sock
    except (OSError, TimeoutError):
        sock.close()
        return None


async def shake_hands(sock):
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            await readable(sock)
        except ssl.SSLWantWriteError:
            await writable(sock)


async def exchange(field, request: bytes, source="127.0.0.2", port=None):
    """Sends a request. Returns the status and the body; the status is `None` if the connection is cut."""
    sock = await connect(port or field.server.port, source, tls=field.tls)
    if sock is None:
        return None, b""
    answer = b""
    try:
        await asyncio.wait_for(send_all(sock, request), 10)
        while not is_whole(answer):
            part = await asyncio.wait_for(receive(sock), 15)
            if not part:
                break
            answer += part
    except (OSError, TimeoutError):
        pass
    finally:
        sock.close()
    top, _, body = answer.partition(b"\r\n\r\n")
    return (int(top.split()[1]), body) if top else (None, b"")


async def send_all(sock, text):
    while text:
        sent = write(sock, text)
        if sent is None:
            raise ConnectionError
        text = text[sent:]
        if not sent:
            await writable(sock)


async def receive(sock):
    """The next bytes; none if the connection is closed."""
    while (part := read(sock, 65536)) == b"":
        await readable(sock)
    return part


async def readable(sock):
    loop = asyncio.get_running_loop()
    await event(sock, loop.add_reader, loop.remove_reader)


async def writable(sock):
    loop = asyncio.get_running_loop()
    await event(sock, loop.add_writer, loop.remove_writer)


async def event(sock, add, remove):
    happened = asyncio.get_running_loop().create_future()
    add(sock, lambda: happened.done() or happened.set_result(None))
    try:
        await happened
    finally:
        remove(sock)


def is_whole(answer: bytes) -> bool:
    top, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in top.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return b"transfer-encoding" not in top.lower() or body.endswith(b"0\r\n\r\n")


class Crowd:
    """Many connections."""

    def __init__(self, socks, refused):
        self.socks, self.refused = socks, refused

    @classmethod
    async def of(cls, field, count, sources=("127.0.0.2",), first=b"", receive=None):
        """Opens `count` connections from these addresses in turn. Each sends the bytes `first`."""
        gate = asyncio.Semaphore(100)

        async def one(number):
            async with gate:
                sock = await connect(field.server.port, sources[number % len(sources)], receive, field.tls)
            if sock and first:
                write(sock, first)
            return sock

        socks = await asyncio.gather(*(one(number) for number in range(count)))
        field.crowds.append(crowd := cls([sock for sock in socks if sock], socks.count(None)))
        return crowd

    @staticmethod
    async def pump(field, requests, within):
        """Sends without reading until the connection is closed. Returns the seconds until then."""
        crowd = await Crowd.of(field, 1, receive=4096)
        [sock] = crowd.socks
        begin, at = time.monotonic(), 0
        while (sent := write(sock, requests[at : at + 65536])) is not None:
            at = (at + sent) % len(requests)
            if time.monotonic() - begin > within:
                raise Failure(f"a connection whose answers are not read is open after {within} s")
            await asyncio.sleep(0.002 if sent else 0.05)
        crowd.close()
        return time.monotonic() - begin

    async def send(self, text):
        for sock in self.socks:
            write(sock, text)
        await asyncio.sleep(0)

    async def fill(self, text, most, seconds=20.0):
        """Sends a text repeatedly until no connection takes more, or until each has taken `most` bytes."""
        sent = dict.fromkeys(self.socks, 0)
        end, idle = time.monotonic() + seconds, time.monotonic()
        while sent and time.monotonic() < min(end, idle + 2):
            for sock, count in list(sent.items()):
                at = count % len(text)
                taken = write(sock, text[at : min(at + 65536, at + most - count)])
                if taken is None or count + taken >= most:
                    del sent[sock]
                elif taken:
                    sent[sock], idle = count + taken, time.monotonic()
            await asyncio.sleep(0.002)

    async def trickle(self, text, within):
        """Sends a byte a second on each connection until all are closed."""
        begin = time.monotonic()
        for at in range(len(text)):
            self.socks = [sock for sock in self.socks if write(sock, text[at : at + 1]) is not None]
            self.socks = [sock for sock in self.socks if read(sock, 65536) is not None]
            if not self.socks:
                return
            if time.monotonic() - begin > within:
                raise Failure(f"{len(self.socks)} connections are open after {within} s")
            await asyncio.sleep(1)

    async def read(self, count):
        for sock in self.socks:
            read(sock, count)

    async def drain(self):
        self.socks = [sock for sock in self.socks if read(sock, 1 << 20) is not None]

    async def is_closed(self, within):
        """Waits until the server has closed all connections. Reads no data meanwhile."""
        end = time.monotonic() + within
        while self.socks:
            self.socks = [sock for sock in self.socks if not is_closed(sock)]
            if time.monotonic() > end:
                raise Failure(f"{len(self.socks)} silent connections are open after {within} s")
            await asyncio.sleep(0.1)

    def close(self):
        for sock in self.socks:
            sock.close()
        self.socks = []


def write(sock, text):
    """The number of bytes that the socket took; `None` if the connection is closed."""
    try:
        return sock.send(text)
    except BLOCKED:
        return 0
    except OSError:
        return None


def read(sock, count):
    """The received bytes; `None` if the connection is closed."""
    try:
        return sock.recv(count) or None
    except BLOCKED:
        return b""
    except OSError:
        return None


def is_closed(sock) -> bool:
    """Whether the server has closed the connection. The kernel is asked, because reading would make room for
    answers."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    is_over = info[0] not in (TCP_ESTABLISHED,)
    if is_over:
        sock.close()
    return is_over


BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
IP_BIND_ADDRESS_NO_PORT = 24
TCP_ESTABLISHED = 1
