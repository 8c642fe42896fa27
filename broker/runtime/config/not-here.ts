/** Settings of Kafka's brokers that ask for something that is not there. To keep them in silence would promise it. */
const notHere: readonly (readonly [name: RegExp, why: string])[] = [
  [/^(ssl|sasl|delegation|zookeeper\.ssl)\.|^password\.encoder\.|^security\.providers$/, "there is no TLS and no SASL yet"],
  [/^connections\.max\.reauth\.ms$|^connection\.failed\.authentication\.delay\.ms$/, "there is no TLS and no SASL yet"],
  [/^authorizer\.|^principal\.builder\.|^zookeeper\.set\.acl$/, "there is no access control yet"],
  [/^remote\./, "there is no tiered storage"],
  [/\.(policy|callback)\.class(\.name)?$|^replica\.selector\.class$/, "classes of Java cannot be loaded"],
  [/^zookeeper\.metadata\.migration\./, "the cluster stays on ZooKeeper"],
];

/** Why a setting that Kafka knows has no effect and is not kept; null: it is not one of those. */
export function whyNotHere(name: string): string | null {
  return notHere.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}
