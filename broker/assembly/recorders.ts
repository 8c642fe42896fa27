import type { Clock } from "../../protocol/base/clock.ts";
import { TopicTraffic } from "../api/topic-traffic.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { RequestTally } from "../metrics/request-tally.ts";
import { IsrChanges } from "../partition/isr-changes.ts";
import { ReplicationTraffic } from "../replication/replication-traffic.ts";

/** What the parts of a broker that is monitored count in while they work. Everything else is read from them when somebody asks. */
export class Recorders {
  readonly requests: RequestTally;
  readonly topics: TopicTraffic;
  readonly replication = new ReplicationTraffic();
  readonly isrChanges = new IsrChanges();

  constructor(clock: Clock, images: ImageSource) {
    this.requests = new RequestTally(clock);
    this.topics = new TopicTraffic(images);
  }
}
