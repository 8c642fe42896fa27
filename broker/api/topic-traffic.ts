import { zeroTopicId } from "../../protocol/base/ids.ts";
import type { FetchRequest, FetchResponse } from "../../protocol/messages/fetch.ts";
import type { ProduceRequest, ProduceResponse } from "../../protocol/messages/produce.ts";
import { batchHeaderBytes, recordsCountAt } from "../../protocol/records/batch-header.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import type { Api } from "./api.ts";

/** What clients have sent to a topic, and were sent of it, by this broker since it started. */
export interface TopicCounts {
  receivedBytes: number;
  receivedRecords: number;
  sentBytes: number;
  /** Partitions of a request count one by one. */
  failedProduces: number;
  failedFetches: number;
}

/** What of a request has to be remembered until its answer. Not its bytes: their memory is used again. */
interface Arriving {
  readonly counts: TopicCounts;
  readonly bytes: number;
  readonly records: number;
}

/**
 * Counts the clients' traffic by topic. Only topics that there are get counters, and what a deleted one had is forgotten: names that
 * clients make up cost nothing.
 */
export class TopicTraffic {
  readonly #images: ImageSource;
  readonly #byTopic = new Map<string, TopicCounts>();

  constructor(images: ImageSource) {
    this.#images = images;
    let { topics } = images.current;
    images.onChange((image) => {
      if (image.topics === topics) return;
      topics = image.topics;
      for (const name of this.#byTopic.keys()) if (!topics.has(name)) this.#byTopic.delete(name);
    });
  }

  topics(): Iterable<readonly [topic: string, TopicCounts]> {
    return this.#byTopic;
  }

  countingProduces(api: Api<ProduceRequest, ProduceResponse>): Api<ProduceRequest, ProduceResponse> {
    return {
      ...api,
      handle: (request, context) => {
        const arriving = this.#arriving(request);
        return api.handle(request, context).then((response) => {
          noteProduced(arriving, response);
          return response;
        });
      },
    };
  }

  countingFetches(api: Api<FetchRequest, FetchResponse>): Api<FetchRequest, FetchResponse> {
    return {
      ...api,
      handle: (request, context) =>
        api.handle(request, context).then((response) => {
          if (response !== null) this.#noteFetched(response);
          return response;
        }),
    };
  }

  /** One for each partition, in the request's order; null: of no topic that there is. */
  #arriving({ topicData }: ProduceRequest): (Arriving | null)[] {
    const found: (Arriving | null)[] = [];
    for (const { name, partitionData } of topicData) {
      const counts = this.#of(name);
      for (const { records } of partitionData) found.push(counts === null ? null : { counts, ...measured(records) });
    }
    return found;
  }

  #noteFetched({ responses }: FetchResponse): void {
    const image = this.#images.current;
    for (const response of responses) {
      const counts = this.#of(nameIn(image, response));
      if (counts === null) continue;
      for (const { errorCode, records } of response.partitions) {
        if (errorCode !== "NONE") counts.failedFetches++;
        for (const { length } of records ?? []) counts.sentBytes += length;
      }
    }
  }

  #of(topic: string): TopicCounts | null {
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    if (!this.#images.current.topics.has(topic)) return null;
    const counts = { receivedBytes: 0, receivedRecords: 0, sentBytes: 0, failedProduces: 0, failedFetches: 0 };
    this.#byTopic.set(topic, counts);
    return counts;
  }
}

/** The answer has the request's order. Without one (acks=0) all went well, or the handler rejected. */
function noteProduced(arriving: readonly (Arriving | null)[], response: ProduceResponse | null): void {
  let at = 0;
  const note = (isAppended: boolean) => {
    const one = arriving[at++];
    if (one == null) return;
    if (isAppended) {
      one.counts.receivedBytes += one.bytes;
      one.counts.receivedRecords += one.records;
    } else one.counts.failedProduces++;
  };
  if (response === null) while (at < arriving.length) note(true);
  else for (const { partitionResponses } of response.responses) for (const { errorCode } of partitionResponses) note(errorCode === "NONE");
}

/** Before anything was checked: what is refused in the end is not counted. */
function measured(records: readonly Buffer[] | null): { readonly bytes: number; readonly records: number } {
  const [first] = records ?? [];
  if (records === null || first === undefined) return { bytes: 0, records: 0 };
  const bytes = records.reduce((sum, { length }) => sum + length, 0);
  return { bytes, records: first.length < batchHeaderBytes ? 0 : recordsCountAt(first, 0) };
}

function nameIn(image: ClusterImage, { topic, topicId }: FetchResponse["responses"][number]): string {
  return topicId === zeroTopicId ? topic : (image.topicNames.get(topicId) ?? "");
}
