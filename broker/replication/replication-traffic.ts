import type { PeerHandler, PeerRequester } from "../runtime/peer-port.ts";

/** Bytes of records that this broker has fetched from leaders, and that others have fetched from it, since it started. */
export class ReplicationTraffic {
  receivedBytes = 0;
  sentBytes = 0;

  /** For the fetchers. */
  countingAnswers(peers: PeerRequester): PeerRequester {
    return {
      request: async (to, kind, body, options) => {
        const answer = await peers.request(to, kind, body, options);
        this.receivedBytes += answer.payload.length;
        return answer;
      },
    };
  }

  countingServed(handler: PeerHandler<"replica-fetch">): PeerHandler<"replica-fetch"> {
    return async (body, payload, remote) => {
      const answer = await handler(body, payload, remote);
      for (const { length } of answer.payload ?? []) this.sentBytes += length;
      return answer;
    };
  }
}
