"""confluent-kafka (librdkafka), driven by the tests: `produce TOPIC CODEC`, `consume TOPIC` or `share TOPIC GROUP ENDS`. Records are lines, see outside-client.ts."""

import base64
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition


def to_bytes(text):
    return None if text == "-" else base64.b64decode(text)


def to_text(data):
    return "-" if data is None else base64.b64encode(data).decode()


def produce(bootstrap, topic, codec):
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": codec, "partitioner": "murmur2_random", "linger.ms": 5}
    )
    placed = []

    def delivered(error, message):
        if error is not None:
            raise SystemExit(f"not delivered: {error}")
        placed.append(f"{message.partition()}\t{message.offset()}")

    for line in sys.stdin:
        timestamp, key, value, headers = line.rstrip("\n").split("\t")
        pairs = [pair.split(":", 1) for pair in headers.split(",")] if headers else []
        producer.produce(
            topic,
            key=to_bytes(key),
            value=to_bytes(value),
            timestamp=int(timestamp),
            headers=[(name, to_bytes(header)) for name, header in pairs],
            on_delivery=delivered,
        )
    if producer.flush(30) > 0:
        raise SystemExit("not everything was acknowledged within 30 s")
    print("\n".join(placed))


def show(message):
    headers = ",".join(f"{name}:{to_text(value)}" for name, value in message.headers() or [])
    fields = [message.partition(), message.offset(), message.timestamp()[1], to_text(message.key()), to_text(message.value()), headers]
    print("\t".join(str(field) for field in fields))


def consume(bootstrap, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "never-joined", "fetch.wait.max.ms": 50, "enable.auto.commit": False})
    partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions}
    open_partitions = {p for p in partitions if ends[p] > 0}
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    while open_partitions:
        message = consumer.poll(10)
        if message is None:
            raise SystemExit("nothing came for 10 s")
        if message.error():
            raise SystemExit(str(message.error()))
        show(message)
        if message.offset() + 1 >= ends[message.partition()]:
            open_partitions.discard(message.partition())
    consumer.close()


def commit(consumer, message):
    """A heartbeat under way may have raised the member's epoch: then it is said again, with the epoch that its answer brings."""
    for attempt in range(100):
        try:
            return consumer.commit(message, asynchronous=False)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.STALE_MEMBER_EPOCH or attempt == 99:
                raise
            time.sleep(0.05)


def share(bootstrap, topic, group, ends):
    """As a member of a group with the new protocol, until it has seen as many records with the value "end"."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.subscribe([topic])
    seen = 0
    while seen < int(ends):
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            raise SystemExit(str(message.error()))
        show(message)
        commit(consumer, message)
        if message.value() == b"end":
            seen += 1
    consumer.close()


command, bootstrap, *rest = sys.argv[1:]
{"produce": produce, "consume": consume, "share": share}[command](bootstrap, *rest)
