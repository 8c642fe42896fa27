/**
 * Fields of ours in Kafka's messages are tagged, from this number on; Kafka numbers its own from 0 in each struct. Whoever does not know a
 * tag passes over it (KIP-482), but a field of ours is only answered to a request that has one.
 */
export const ottlaTagsFrom = 10_000;
