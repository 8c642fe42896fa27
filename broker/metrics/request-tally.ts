import type { Clock } from "../../protocol/base/clock.ts";
import type { Endpoint } from "../api/api.ts";
import { BucketTally } from "./bucket-tally.ts";

/** Half a millisecond to half a minute: a fetch may wait as long as its client likes. */
const boundsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What this broker did for one API since it started. */
export class ApiTally {
  readonly api: string;
  readonly durations = new BucketTally(boundsSeconds);
  underWay = 0;
  failures = 0;
  requestBytes = 0;
  responseBytes = 0;

  constructor(api: string) {
    this.api = api;
  }
}

/** Counts and times the requests of clients, by API. */
export class RequestTally {
  readonly #clock: Clock;
  readonly #tallies: ApiTally[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  apis(): readonly ApiTally[] {
    return this.#tallies;
  }

  counting(endpoint: Endpoint): Endpoint {
    const tally = new ApiTally(endpoint.name);
    this.#tallies.push(tally);
    return {
      ...endpoint,
      serve: (body, context) => {
        const startMs = this.#clock.monotonicMs();
        const serving = endpoint.serve(body, context);
        tally.underWay++;
        tally.requestBytes += body.length;
        const ended = () => {
          tally.underWay--;
          tally.durations.add(this.#clock.monotonicMs() - startMs);
        };
        return serving.then(
          (answer) => {
            ended();
            for (const { length } of answer ?? []) tally.responseBytes += length;
            return answer;
          },
          (error: unknown) => {
            ended();
            tally.failures++;
            throw error;
          },
        );
      },
    };
  }
}
