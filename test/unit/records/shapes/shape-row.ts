/** What shapes of one codec are made of: a name, the packed bytes, Kafka's verdict. */
export type ShapeRow = readonly [name: string, packed: Buffer, kafka: "reads" | "refuses", refusedBecause?: string];
