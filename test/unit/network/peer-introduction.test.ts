import { expect, test } from "vitest";
import { encodePeerFrame } from "../../../broker/network/peer-frame.ts";
import { peerProtocolVersion } from "../../../broker/network/peer-hello.ts";
import { peerServerDefaults } from "../../../broker/network/peer-server.ts";
import type { PeerKind } from "../../../protocol/peer/messages.ts";
import { settled } from "./manual-clock.ts";
import { forward, lastFrame, options, PeerHarness, rightCode } from "./peer-harness.ts";
import { peerSamples } from "./peer-samples.ts";

test("a broker of another cluster is refused, and both ends say why", async () => {
  const peers = await new PeerHarness({ clientCluster: "C2" }).start();
  await expect(peers.ask()).rejects.toThrow("it refused us: broker 2 belongs to cluster C2, this broker to cluster C1");
  expect(peers.lines.map(({ message }) => message)).toContain("a broker was refused");
  expect(peers.served).toEqual([]);
  expect(peers.server.linkCount).toBe(0);
});

test("without the secret nothing is served, and both ends say why; the secret and its code go over no link", async () => {
  const peers = await new PeerHarness().start();
  peers.clientSecret.value = "guess";
  peers.clientSecret.inNode = "guess";
  await expect(peers.ask()).rejects.toThrow("it refused us: broker 2 did not prove that it knows the secret of this cluster");
  expect(peers.lines.map(({ message }) => message)).toContain("a broker was refused");
  expect(peers.served).toEqual([]);
  expect(peers.server.linkCount).toBe(0);
});

const falseProofs: readonly [string, (nonce: string, earlier: string) => string][] = [
  ["a guessed secret", (nonce) => rightCode(nonce, "guess")],
  ["a code of an earlier link", (_nonce, earlier) => rightCode(earlier)],
  ["the code of the other side", (nonce) => rightCode(nonce, "secret", "answering")],
  ["no code", () => ""],
];

for (const [what, code] of falseProofs)
  test(`${what} is no proof, and is answered with nothing to learn from`, async () => {
    const peers = await new PeerHarness().start();
    const { nonce: earlier } = await peers.introduced(rightCode);
    const { link, received } = await peers.introduced((nonce) => code(nonce, earlier));
    expect(lastFrame(received()).body).toEqual({ refusal: expect.stringContaining("broker 3 did not prove"), code: "" });
    expect(link.isClosed).toBe(true);
  });

test("a broker that proved itself is welcome, and nothing is taken before", async () => {
  const peers = await new PeerHarness().start();
  const { link, received } = await peers.introduced(rightCode);
  expect(lastFrame(received()).body).toMatchObject({ refusal: null });
  link.write(encodePeerFrame(1, "forward", forward.request));
  await settled();
  expect(peers.served).toHaveLength(1);
  const { link: hasty } = await peers.raw();
  hasty.write(encodePeerFrame(0, "hello", { version: peerProtocolVersion, clusterId: "C1", brokerId: 3, nonce: "n" }));
  hasty.write(encodePeerFrame(1, "forward", forward.request));
  await settled();
  expect(hasty.isClosed).toBe(true);
  expect(peers.served).toHaveLength(1);
});

test("a secret that was changed is looked up by whoever knows the older one", async () => {
  const peers = await new PeerHarness().start();
  peers.serverSecret.inNode = peers.clientSecret.inNode = peers.clientSecret.value = "newer";
  const first = peers.ask();
  await settled();
  peers.served[0]?.answer();
  await first;
  expect([peers.serverSecret.value, peers.serverSecret.looks, peers.clientSecret.looks], "the answering end was behind").toEqual([
    "newer",
    1,
    0,
  ]);

  const others = await new PeerHarness().start();
  others.serverSecret.inNode = others.serverSecret.value = others.clientSecret.inNode = "newer";
  await expect(others.ask(), "the asking end was behind").rejects.toThrow("did not prove");
  const again = others.ask();
  await settled();
  others.served[0]?.answer();
  await again;
});

test("whoever answers without knowing the secret is not asked anything", async () => {
  const peers = new PeerHarness();
  const heard: Buffer[] = [];
  const address = await peers.transport.listen({ host: "127.0.0.1", port: 0 }, (link) => ({
    onData: (chunk) => {
      heard.push(Buffer.from(chunk));
      if (heard.length === 1)
        link.write(encodePeerFrame(0, "hello", { version: peerProtocolVersion, clusterId: "C1", refusal: null, brokerId: 1, nonce: "x" }));
      else link.write(encodePeerFrame(0, "proof", { refusal: null, code: "x" }));
    },
    onClose: () => {},
  }));
  await expect(peers.client.request(address.address, "forward", forward.request, options)).rejects.toThrow(
    "it did not prove that it knows the secret of this cluster",
  );
  expect(Buffer.concat(heard).includes("forward"), "no request went there").toBe(false);
});

test("a broker of another version is told so in words it can read", async () => {
  const peers = await new PeerHarness().start();
  const { link, received } = await peers.raw();
  link.write(encodePeerFrame(0, "hello", { version: 1, clusterId: "C1", brokerId: 3 }));
  await settled();
  expect(lastFrame(received()).body).toMatchObject({
    version: peerProtocolVersion,
    refusal: expect.stringContaining("broker 3 speaks version 1"),
  });
  expect(link.isClosed).toBe(true);
});

for (const kind of (Object.keys(peerSamples) as PeerKind[]).filter((each) => each !== "forward"))
  test(`a ${kind} in another broker's name closes its link`, async () => {
    const peers = await new PeerHarness().start();
    const { link } = await peers.introduced(rightCode);
    link.write(encodePeerFrame(1, kind, peerSamples[kind].request)); // of broker 2
    await settled();
    expect(peers.served).toEqual([]);
    expect(link.isClosed).toBe(true);
    expect(peers.lines[0]?.fields.reason).toContain(`a ${kind} of broker 3 in the name of broker 2`);
  });

test("a link that does not introduce itself is closed after a while", async () => {
  const peers = await new PeerHarness().start();
  const { link } = await peers.raw();
  await peers.clock.advance(peerServerDefaults.helloTimeoutMs);
  expect(link.isClosed).toBe(true);
  expect(peers.server.linkCount).toBe(0);
});
