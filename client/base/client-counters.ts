/** What all clients count. Numbers in one object: counting costs an addition. See `ClientMetrics` for what they mean. */
export class ClientCounters {
  connectionsOpened = 0;
  connectionsClosed = 0;
  connectionsLost = 0;
  requestsSent = 0;
  requestsAnswered = 0;
  requestsFailed = 0;
  requestTimeMs = 0;
  networkBytesSent = 0;
  networkBytesReceived = 0;
  throttles = 0;
  throttleTimeMs = 0;
}
