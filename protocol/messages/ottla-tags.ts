/**
 * Our own fields in Kafka's messages are tagged, from this number on; Kafka numbers its own from 0 in each struct. Clients that do not know
 * a tag skip it (KIP-482); moreover, a field of ours is only sent in answer to a request that has one.
 */
export const ottlaTagsFrom = 10_000;
