"""
Transactions by confluent-kafka (librdkafka), driven by the tests: `transactions ID TOPIC`, `read ISOLATION TOPIC`,
`process ID GROUP INPUT OUTPUT` or `fence ID TOPIC`. What goes in and out: see transaction-programs.ts.
"""

import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

ANSWER_MAX_S = 30


def say(*fields):
    print("\t".join(str(field) for field in fields), flush=True)


def producer_of(bootstrap, transactional_id):
    return Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id, "transaction.timeout.ms": 20000, "linger.ms": 0})


def acknowledged(producer, topic, partition, value):
    failed = []
    producer.produce(topic, value=value, partition=partition, on_delivery=lambda error, _: failed.append(error))
    producer.flush(ANSWER_MAX_S)
    if failed != [None]:
        raise SystemExit(f"not delivered: {failed}")


def transactions(bootstrap, transactional_id, topic):
    """Each record is acknowledged before the next one goes, so that those of several producers come to lie among each other."""
    producer = producer_of(bootstrap, transactional_id)
    producer.init_transactions(ANSWER_MAX_S)
    for line in sys.stdin:
        outcome, *records = line.rstrip("\n").split("\t")
        producer.begin_transaction()
        for record in records:
            partition, value = record.split(":", 1)
            acknowledged(producer, topic, int(partition), value)
        if outcome == "commit":
            producer.commit_transaction(ANSWER_MAX_S)
        else:
            producer.abort_transaction(ANSWER_MAX_S)
        say(outcome)


def read(bootstrap, isolation, topic):
    settings = {"group.id": "never-joined", "isolation.level": isolation, "enable.partition.eof": True, "fetch.wait.max.ms": 50}
    consumer = Consumer({"bootstrap.servers": bootstrap, "enable.auto.commit": False, **settings})
    left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in left])
    while left:
        message = consumer.poll(ANSWER_MAX_S)
        if message is None:
            raise SystemExit(f"nothing came for {ANSWER_MAX_S} s")
        if message.error() is None:
            say(message.partition(), message.offset(), message.value().decode())
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left.discard(message.partition())
        else:
            raise SystemExit(str(message.error()))
    consumer.close()


stopping = threading.Event()


def until_end():
    sys.stdin.read()
    stopping.set()


def process(bootstrap, transactional_id, group, source, target):
    """Until its input ends. What cannot go on is begun anew, with the same id."""
    threading.Thread(target=until_end, daemon=True).start()
    settings = {"isolation.level": "read_committed", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "fetch.wait.max.ms": 50}
    while not stopping.is_set():
        consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **settings}
        )
        try:
            producer = producer_of(bootstrap, transactional_id)
            again(lambda: producer.init_transactions(ANSWER_MAX_S))
            consumer.subscribe([source])
            while not stopping.is_set():
                process_some(producer, consumer, consumer.consume(10, 0.2), target)
        except KafkaException as failure:
            print("anew after", failure, file=sys.stderr, flush=True)
            time.sleep(0.1)
        finally:
            consumer.close()


def again(attempt):
    """As often as librdkafka says that it may be asked again."""
    for number in range(20):
        try:
            return attempt()
        except KafkaException as failure:
            if not failure.args[0].retriable() or number == 19:
                raise
            time.sleep(0.2)


def process_some(producer, consumer, messages, target):
    messages = [message for message in messages if message.error() is None]
    if not messages:
        return
    producer.begin_transaction()
    try:
        positions = {}
        for message in messages:
            producer.produce(target, value=b"of " + message.value(), partition=message.partition())
            positions[message.partition()] = TopicPartition(message.topic(), message.partition(), message.offset() + 1)
        again(lambda: producer.send_offsets_to_transaction(list(positions.values()), consumer.consumer_group_metadata(), ANSWER_MAX_S))
        again(lambda: producer.commit_transaction(ANSWER_MAX_S))
        say("processed", len(messages))
    except KafkaException as failure:
        print("aborts after", failure, file=sys.stderr, flush=True)
        if not failure.args[0].txn_requires_abort():
            raise
        again(lambda: producer.abort_transaction(ANSWER_MAX_S))
        for partition in consumer.committed(consumer.assignment(), ANSWER_MAX_S):
            if partition.offset < 0:
                partition.offset = OFFSET_BEGINNING
            consumer.seek(partition)


def fence(bootstrap, transactional_id, topic):
    first, second = producer_of(bootstrap, transactional_id), producer_of(bootstrap, transactional_id)
    first.init_transactions(ANSWER_MAX_S)
    first.begin_transaction()
    acknowledged(first, topic, 0, "of the fenced one")
    second.init_transactions(ANSWER_MAX_S)
    try:
        first.commit_transaction(ANSWER_MAX_S)
        say("first", "none")
    except KafkaException as failure:
        say("first", f"{failure.args[0].name()} {'fatal' if failure.args[0].fatal() else 'not fatal'}")
    second.begin_transaction()
    acknowledged(second, topic, 0, "of the second one")
    second.commit_transaction(ANSWER_MAX_S)
    say("second", "commit")


command, bootstrap, *rest = sys.argv[1:]
{"transactions": transactions, "read": read, "process": process, "fence": fence}[command](bootstrap, *rest)
