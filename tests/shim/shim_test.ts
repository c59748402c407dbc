/**
 * The good path of the shim's contract, listening and connection functions, against real sockets on this machine, and
 * the errors that a server meets in its daily life. Readiness and time are the matter of event_test.ts, bad arguments
 * that of arguments_test.ts, loading that of ffi_test.ts.
 */

import assert from "node:assert/strict";
import * as ffi from "../../shim/ffi.ts";
import { FREE, HANDED, must, OWNED } from "../../shim/ffi.ts";
import { acceptAll, ANY4, ANY6, assertResult, close, type Connection, descriptorFlags } from "./support.ts";
import { flatTest, listenTcp, localAddress, LOOPBACK4, LOOPBACK6, PEER_BYTES, readPeer } from "./support.ts";
import { recvText, sendText, shim, Table, tcpPair, temporaryPath, unixPair, until } from "./support.ts";

/** IPv6 may be switched off in a container. */
const noIpv6 = !hasIpv6();

function hasIpv6(): boolean {
  const fd = shim.listen_tcp(LOOPBACK6, 16, 0, 1, 1);
  return fd >= 0 && shim.close_descriptor(fd) === 0;
}

function connect(hostname: string, port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname, port });
}

function closeDescriptors(...fds: number[]): void {
  for (const fd of fds) must(shim.close_descriptor(fd), "close");
}

// ---- the contract ----

Deno.test("shim: versions and record sizes are those of ffi.ts", () => {
  assert.equal(shim.abi_version(), ffi.ABI_VERSION);
  assert.equal(shim.record_size(0), ffi.ENTRY_WORDS * 4);
  assert.equal(shim.record_size(1), ffi.EVENT_WORDS * 4);
  assert.equal(shim.record_size(2), ffi.PEER_WORDS * 4);
  assert.equal(shim.record_size(3), ffi.AIO_BYTES);
  assertResult(shim.record_size(4), "EINVAL");
  assert.ok(shim.build_hash() > 0);
});

for (const [name, perMs] of [["now_ms", 1], ["now_us", 1000]] as const) {
  Deno.test(`shim: ${name} goes forward with the clock`, async () => {
    const passed = (since: number, now: number) => (now - since) & 0x7fffffff;
    const [before, start] = [shim[name](), performance.now()];
    let last = before;
    for (let at = 0; at < 10_000; at++) {
      const now = shim[name]();
      assert.ok(passed(last, now) < 1000 * perMs, `${now} behind ${last}`);
      last = now;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const differenceMs = passed(before, shim[name]()) / perMs - (performance.now() - start);
    assert.ok(Math.abs(differenceMs) < 20, `${differenceMs} ms off`);
  });
}

Deno.test("shim: rlimit_nofile is the soft limit", () => {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))!;
  assert.equal(shim.rlimit_nofile(), soft === "unlimited" ? 2 ** 31 - 1 : Math.min(Number(soft), 2 ** 31 - 1));
});

flatTest("shim: table takes whole, aligned entries only, and keeps the old one otherwise", () => {
  const table = new Table();
  const { left, right } = unixPair(table, 7, 8);
  const memory = new Uint8Array(new SharedArrayBuffer(256));
  assertResult(shim.table(null, 64), "EFAULT");
  for (const capacity of [0, 1, 63, 65, 127, -64]) assertResult(shim.table(memory, capacity), "EINVAL");
  assertResult(shim.table(memory.subarray(1), 64), "EINVAL");
  assertResult(shim.table(memory.subarray(2), 64), "EINVAL");
  assert.equal(shim.unsent(left.fd, left.generation), 0, "the old table is still in use");
  close(left, right);
});

flatTest("shim: NULL and 0 make table forget", () => {
  const table = new Table();
  const { left, right } = unixPair(table, 7, 8);
  assert.equal(shim.table(null, 0), 0);
  assertResult(shim.unsent(left.fd, 7), "EBADF");
  assertResult(shim.close(left.fd, 7), "EBADF");
  must(shim.table(table.words, table.memory.byteLength), "set the table");
  close(left, right);
});

// ---- listening ----

flatTest("shim: listen_tcp on IPv4 with a port that the kernel chooses", async () => {
  const table = new Table();
  const listener = listenTcp();
  assert.deepEqual(localAddress(listener.fd), { ...listener, family: 4, address: "127.0.0.1" });
  assert.ok(listener.port > 0);
  assert.deepEqual(descriptorFlags(listener.fd), { closeOnExec: true, nonBlocking: true });

  const peers = new Uint8Array(PEER_BYTES * 4);
  assertResult(shim.accept(listener.fd, peers, peers.length, 4), "EAGAIN");
  const client = await connect("127.0.0.1", listener.port);
  assert.equal(shim.accept(listener.fd, peers, peers.length, 4), 1);
  const peer = readPeer(peers);
  assert.deepEqual(peer, { fd: peer.fd, family: 4, port: client.localAddr.port, address: "127.0.0.1" });
  const ours = table.put(peer.fd, 1);
  const asked = new Uint8Array(PEER_BYTES);
  assert.equal(shim.peer_address(ours.fd, 1, asked, PEER_BYTES), 0);
  assert.deepEqual(readPeer(asked), peer);
  assert.equal(localAddress(ours.fd).port, listener.port);
  client.close();
  close(ours);
  closeDescriptors(listener.fd);
});

const V6_LOOPBACK = `${"0.".repeat(15)}1`;

flatTest("shim: listen_tcp on IPv6", async () => {
  const table = new Table();
  const listener = listenTcp(LOOPBACK6);
  assert.deepEqual(localAddress(listener.fd), { ...listener, family: 6, address: V6_LOOPBACK });
  const client = await connect("::1", listener.port);
  const [ours] = acceptAll(listener.fd, table, 1);
  const peer = new Uint8Array(PEER_BYTES);
  assert.equal(shim.peer_address(ours.fd, 1, peer, PEER_BYTES), 0);
  assert.deepEqual(readPeer(peer), { fd: ours.fd, family: 6, port: client.localAddr.port, address: V6_LOOPBACK });
  client.close();
  close(ours);
  closeDescriptors(listener.fd);
}, { ignore: noIpv6 });

flatTest("shim: a dual stack socket gives mapped addresses as IPv4", async () => {
  const table = new Table();
  const listener = listenTcp(ANY6);
  const clients = [await connect("127.0.0.1", listener.port), await connect("::1", listener.port)];
  const peers = new Uint8Array(PEER_BYTES * 4);
  assert.equal(shim.accept(listener.fd, peers, peers.length, 4), 2);
  const found = [readPeer(peers, 0), readPeer(peers, 1)];
  assert.deepEqual(found.map(({ family, address }) => [family, address]), [[4, "127.0.0.1"], [6, V6_LOOPBACK]]);
  assert.deepEqual(found.map(({ port }) => port), clients.map(({ localAddr }) => localAddr.port));
  assert.equal(localAddress(found[0].fd).family, 4, "the local address too");
  clients.forEach((client) => client.close());
  close(...found.map(({ fd }, index) => table.put(fd, index + 1)));
  closeDescriptors(listener.fd);
}, { ignore: noIpv6 });

flatTest("shim: v6only leaves the IPv4 port to others", async () => {
  const listener = listenTcp(ANY6, 0, 1);
  await assert.rejects(connect("127.0.0.1", listener.port), Deno.errors.ConnectionRefused);
  const other = listenTcp(ANY4, listener.port);
  closeDescriptors(listener.fd, other.fd);
}, { ignore: noIpv6 });

flatTest("shim: listen_tcp says why it cannot, and leaves nothing open", () => {
  const listener = listenTcp();
  assertResult(shim.listen_tcp(LOOPBACK4, 4, listener.port, 0, 1), "EADDRINUSE");
  assertResult(shim.listen_tcp(new Uint8Array([192, 0, 2, 1]), 4, 0, 0, 1), "EADDRNOTAVAIL");
  assertResult(shim.listen_tcp(LOOPBACK4, 8, 0, 0, 1), "EAFNOSUPPORT");
  for (const backlog of [0, 65536]) assertResult(shim.listen_tcp(LOOPBACK4, 4, 0, 0, backlog), "EINVAL");
  assertResult(shim.listen_tcp(LOOPBACK4, 4, 65536, 0, 1), "EINVAL");
  assertResult(shim.listen_tcp(LOOPBACK4, 4, 0, 2, 1), "EINVAL");
  closeDescriptors(listener.fd);
});

flatTest("shim: a port can be listened on again at once although old connections linger", async () => {
  const table = new Table();
  const first = listenTcp();
  const client = await connect("127.0.0.1", first.port);
  close(...acceptAll(first.fd, table, 1)); // our side closes first: TIME_WAIT is ours
  assert.equal(await client.read(new Uint8Array(1)), null);
  client.close();
  closeDescriptors(first.fd);
  closeDescriptors(listenTcp(LOOPBACK4, first.port).fd);
});

flatTest("shim: accepted sockets inherit TCP_NODELAY and TCP_NOTSENT_LOWAT", async () => {
  const table = new Table();
  const { client, ours } = await tcpPair(table, 1);
  const libc = Deno.dlopen("libc.so.6", {
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const option = (name: number): number => {
    const value = new Int32Array(1);
    assert.equal(libc.symbols.getsockopt(ours.fd, 6, name, value, new Uint32Array([4])), 0);
    return value[0];
  };
  const [TCP_NODELAY, TCP_NOTSENT_LOWAT] = [1, 25];
  assert.equal(option(TCP_NODELAY), 1);
  assert.equal(option(TCP_NOTSENT_LOWAT), 128 * 1024);
  libc.close();
  client.close();
  close(ours);
});

flatTest("shim: accept takes batches, close-on-exec and non-blocking", async () => {
  const table = new Table();
  const listener = listenTcp();
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect("127.0.0.1", listener.port)));
  const peers = new Uint8Array(PEER_BYTES * 16);
  const accepted: Connection[] = [];
  for (const expected of [16, 4]) {
    assert.equal(shim.accept(listener.fd, peers, peers.length, 16), expected);
    for (let at = 0; at < expected; at++) {
      accepted.push(table.put(readPeer(peers, at).fd, accepted.length + 1, HANDED));
    }
  }
  assertResult(shim.accept(listener.fd, peers, peers.length, 16), "EAGAIN");
  assert.equal(new Set(accepted.map(({ fd }) => fd)).size, 20);
  for (const { fd } of accepted) assert.deepEqual(descriptorFlags(fd), { closeOnExec: true, nonBlocking: true });
  clients.forEach((client) => client.close());
  close(...accepted);
  closeDescriptors(listener.fd);
});

flatTest("shim: accept says EMFILE when there are no descriptors left, and goes on afterwards", () => {
  const table = new Table();
  const path = temporaryPath();
  const listener = must(shim.listen_unix(path.bytes, path.bytes.length, 4), "listen");
  const client = table.put(must(shim.connect_unix(path.bytes, path.bytes.length), "connect"), 1);
  const libc = Deno.dlopen("libc.so.6", { setrlimit: { parameters: ["i32", "buffer"], result: "i32" } });
  const RLIMIT_NOFILE = 7;
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))!;
  const set = (limit: number) => libc.symbols.setrlimit(RLIMIT_NOFILE, new BigUint64Array([limit, +hard].map(BigInt)));
  const peers = new Uint8Array(PEER_BYTES);
  assert.equal(set(3), 0);
  const [starved, limit] = [shim.accept(listener, peers, PEER_BYTES, 1), shim.rlimit_nofile()];
  assert.equal(set(Number(soft)), 0);
  assertResult(starved, "EMFILE");
  assert.equal(limit, 3);
  const [ours] = acceptAll(listener, table, 2);
  close(client, ours);
  closeDescriptors(listener);
  libc.close();
  path.remove();
});

// ---- Unix sockets ----

flatTest("shim: listen_unix and connect_unix", () => {
  const table = new Table();
  const path = temporaryPath();
  assertResult(shim.connect_unix(path.bytes, path.bytes.length), "ENOENT");
  const listener = must(shim.listen_unix(path.bytes, path.bytes.length, 4), "listen");
  assertResult(shim.listen_unix(path.bytes, path.bytes.length, 4), "EADDRINUSE");
  assert.deepEqual(localAddress(listener), { fd: listener, family: 0, port: 0, address: "" });
  const client = must(shim.connect_unix(path.bytes, path.bytes.length), "connect");
  const peers = new Uint8Array(PEER_BYTES);
  assert.equal(shim.accept(listener, peers, PEER_BYTES, 1), 1);
  const peer = readPeer(peers);
  assert.deepEqual(peer, { fd: peer.fd, family: 0, port: 0, address: "" });
  for (const fd of [listener, client, peer.fd]) {
    assert.deepEqual(descriptorFlags(fd), { closeOnExec: true, nonBlocking: true });
  }
  close(table.put(peer.fd, 1));
  closeDescriptors(client, listener);
  assertResult(shim.connect_unix(path.bytes, path.bytes.length), "ECONNREFUSED");
  path.remove();
});

flatTest("shim: a Unix path has 1 to 107 bytes and no NUL", () => {
  const path = temporaryPath();
  const named = (length: number) => new TextEncoder().encode(path.text.padEnd(length, "x"));
  for (
    const call of [shim.connect_unix, (bytes: Uint8Array<ArrayBuffer>, n: number) => shim.listen_unix(bytes, n, 1)]
  ) {
    assertResult(call(named(108), 108), "ENAMETOOLONG");
    assertResult(call(new TextEncoder().encode(`${path.text}\0x`), path.bytes.length + 2), "EINVAL");
    assertResult(call(new TextEncoder().encode(`\0${path.text}`), path.bytes.length + 1), "EINVAL");
    assertResult(call(path.bytes, 0), "EINVAL");
  }
  const listener = must(shim.listen_unix(named(107), 107, 1), "listen");
  closeDescriptors(must(shim.connect_unix(named(107), 107), "connect"), listener);
  path.remove();
});

// ---- connections ----

flatTest("shim: send and recv move the bytes of their windows", () => {
  const { left, right } = unixPair(new Table(), 1, 2);
  const out = new TextEncoder().encode("0123456789");
  assert.equal(shim.send(left.fd, 1, out, 10, 3, 4), 4);
  const into = new Uint8Array(10).fill(0x2e);
  assert.equal(shim.recv(right.fd, 2, into, 10, 2, 8), 4);
  assert.equal(new TextDecoder().decode(into), "..3456....");
  assert.equal(sendText(left, "abcdef"), 6);
  assert.equal(shim.recv(right.fd, 2, into, 10, 0, 2), 2, "no more than asked for");
  assert.equal(recvText(right), "cdef");
  assertResult(shim.recv(right.fd, 2, into, 10, 0, 10), "EAGAIN");
  close(left, right);
});

flatTest("shim: writev sends both windows, in order, in one call", () => {
  const { left, right } = unixPair(new Table(), 1, 2);
  const [head, body] = ["<head>", "<body>"].map((text) => new TextEncoder().encode(text));
  assert.equal(shim.writev(left.fd, 1, head, 6, 1, 4, body, 6, 0, 6), 10);
  assert.equal(recvText(right), "head<body>");
  close(left, right);
});

flatTest("shim: buffers may be shared, small, or views of any kind", () => {
  const { left, right } = unixPair(new Table(), 1, 2);
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(65);
  const words = new Uint32Array(2);
  assert.equal(shim.send(left.fd, 1, shared, 8, 0, 8), 8);
  assert.equal(shim.recv(right.fd, 2, new DataView(words.buffer, 4) as unknown as Uint8Array<ArrayBuffer>, 4, 0, 4), 4);
  assert.deepEqual([...words], [0, 0x41414141]);
  assert.equal(shim.recv(right.fd, 2, shared, 8, 4, 4), 4);
  close(left, right);
});

for (const kind of ["TCP", "Unix"]) {
  flatTest(`shim: a full ${kind} connection takes part, then says EAGAIN, and goes on`, async () => {
    const table = new Table();
    const { client, ours } = kind === "TCP" ? await tcpPair(table, 1) : unixClient(table);
    assert.equal(shim.send_buffer(ours.fd, 1, 65536), 0);
    const chunk = new Uint8Array(1 << 20);
    let [sent, last] = [0, 0];
    while ((last = shim.send(ours.fd, 1, chunk, chunk.length, 0, chunk.length)) > 0) sent += last;
    assertResult(last, "EAGAIN");
    assertResult(shim.writev(ours.fd, 1, chunk, 8, 0, 8, chunk, 8, 0, 8), "EAGAIN");
    assert.ok(sent > 0 && shim.unsent(ours.fd, 1) > 0);
    const read = new Uint8Array(1 << 20);
    for (let got = 0; got < sent;) got += (await client.read(read))!;
    await until(() => shim.unsent(ours.fd, 1) === 0, "everything is acknowledged");
    assert.equal(sendText(ours, "more"), 4);
    client.close();
    close(ours);
  });
}

/** A Unix connection of which Deno's end is one that the test can read. */
function unixClient(
  table: Table,
): { client: { read(into: Uint8Array): Promise<number>; close(): void }; ours: Connection } {
  const { left, right } = unixPair(table, 1, 2);
  return {
    client: {
      read: (into) =>
        Promise.resolve(shim.recv(right.fd, 2, into as Uint8Array<ArrayBuffer>, into.length, 0, into.length)),
      close: () => close(right),
    },
    ours: left,
  };
}

flatTest("shim: shutdown lets the peer read what was sent, then the end", async () => {
  const { client, ours } = await tcpPair(new Table(), 1);
  assert.equal(sendText(ours, "last words"), 10);
  assert.equal(shim.shutdown(ours.fd, 1), 0);
  assert.equal(sendText(ours, "x"), -32, "nothing can follow");
  const read = new Uint8Array(100);
  assert.equal(await client.read(read), 10);
  assert.equal(await client.read(read), null);
  await client.write(new TextEncoder().encode("answer"));
  assert.equal(recvText(ours), "answer", "the other direction stays open");
  await client.closeWrite();
  assert.equal(recvText(ours), 0, "the peer's FIN");
  client.close();
  close(ours);
});

flatTest("shim: sending to a peer that is gone is an error and no SIGPIPE", () => {
  const { left, right } = unixPair(new Table(), 1, 2);
  close(right);
  const bytes = new Uint8Array(4);
  assertResult(shim.send(left.fd, 1, bytes, 4, 0, 4), "EPIPE");
  assertResult(shim.writev(left.fd, 1, bytes, 4, 0, 4, bytes, 4, 0, 4), "EPIPE");
  assert.equal(recvText(left), 0);
  close(left);
});

flatTest("shim: close frees the entry, and what is closed is stale", async () => {
  const table = new Table();
  const { client, ours } = await tcpPair(table, 5);
  assert.equal(table.state(ours.fd), OWNED);
  assert.equal(sendText(ours, "bye"), 3);
  close(ours);
  assert.equal(table.state(ours.fd), FREE);
  const buffer = new Uint8Array(32);
  const { fd } = ours;
  const calls = [
    () => shim.close(fd, 5),
    () => shim.reset(fd, 5),
    () => shim.shutdown(fd, 5),
    () => shim.unsent(fd, 5),
    () => shim.send_buffer(fd, 5, 1),
    () => shim.recv(fd, 5, buffer, 32, 0, 32),
    () => shim.send(fd, 5, buffer, 32, 0, 32),
    () => shim.writev(fd, 5, buffer, 32, 0, 32, buffer, 32, 0, 32),
    () => shim.peer_address(fd, 5, buffer, 32),
  ];
  for (const call of calls) assertResult(call(), "ESTALE");
  assert.equal(await client.read(buffer), 3, "what was sent before arrives");
  assert.equal(await client.read(buffer), null);
  client.close();
});

flatTest("shim: a number that the kernel gives away again is not reached by the old generation", () => {
  const table = new Table();
  const first = unixPair(table, 1, 2);
  close(first.left, first.right);
  const second = unixPair(table, 3, 4);
  const reused = [second.left, second.right].find(({ fd }) => fd === first.left.fd);
  assert.ok(reused, "the kernel gives the lowest free number");
  assertResult(shim.close(first.left.fd, 1), "ESTALE");
  assertResult(sendText(first.left, "to a stranger") as number, "ESTALE");
  assert.equal(recvText(second.left), -11);
  assert.equal(recvText(second.right), -11);
  close(second.left, second.right);
});

flatTest("shim: reset drops what is unsent, and the peer gets a reset", async () => {
  const table = new Table();
  const { client, ours } = await tcpPair(table, 1);
  assert.equal(shim.reset(ours.fd, 1), 0);
  assert.ok(table.isFree(ours.fd));
  await assert.rejects(client.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
  client.close();
  assertResult(shim.reset(ours.fd, 1), "ESTALE");

  const { left, right } = unixPair(table, 3, 4);
  assert.equal(shim.reset(left.fd, 3), 0, "a Unix socket is closed all the same");
  assert.equal(recvText(right), 0);
  close(right);
});

flatTest("shim: after the peer's reset the connection says so", async () => {
  const table = new Table();
  const listener = listenTcp();
  const client = await connect("127.0.0.1", listener.port);
  const [ours] = acceptAll(listener.fd, table, 1);
  assert.equal(sendText(ours, "unread"), 6);
  await until(() => shim.unsent(ours.fd, 1) === 0, "it has arrived");
  client.close(); // with bytes unread: the kernel sends a reset
  await until(() => recvText(ours) !== -11, "the reset has arrived");
  assertResult(sendText(ours, "x"), "EPIPE");
  close(ours);
  closeDescriptors(listener.fd);
});
