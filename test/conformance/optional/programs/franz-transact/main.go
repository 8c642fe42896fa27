// Transactions by franz-go, driven by the tests: `transactions ID TOPIC`, `read ISOLATION TOPIC`, `process ID GROUP INPUT OUTPUT` or
// `fence ID TOPIC`. What goes in and out: see transaction-programs.ts.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	seeds := kgo.SeedBrokers(strings.Split(os.Args[1], ",")...)
	switch os.Args[2] {
	case "transactions":
		transactions(ctx, seeds, os.Args[3], os.Args[4])
	case "read":
		read(ctx, seeds, os.Args[3], os.Args[4])
	case "process":
		process(ctx, seeds, os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	case "fence":
		fence(ctx, seeds, os.Args[3], os.Args[4])
	default:
		log.Fatal(os.Args[2])
	}
}

func producing(id string) []kgo.Opt {
	return []kgo.Opt{kgo.TransactionalID(id), kgo.TransactionTimeout(20 * time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner())}
}

func producerOf(seeds kgo.Opt, id string) *kgo.Client {
	client, err := kgo.NewClient(append(producing(id), seeds)...)
	must(err)
	return client
}

// Each record is acknowledged before the next one goes, so that those of several producers come to lie among each other.
func transactions(ctx context.Context, seeds kgo.Opt, id, topic string) {
	client := producerOf(seeds, id)
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		must(client.BeginTransaction())
		for _, field := range fields[1:] {
			partition, value, _ := strings.Cut(field, ":")
			number, err := strconv.Atoi(partition)
			must(err)
			must(client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(number), Value: []byte(value)}).FirstErr())
		}
		must(client.EndTransaction(ctx, kgo.TransactionEndTry(fields[0] == "commit")))
		fmt.Println(fields[0])
	}
}

// Control records are asked for too: the last one before the end tells that the partition has been read.
func read(ctx context.Context, seeds kgo.Opt, isolation, topic string) {
	level := kgo.ReadUncommitted()
	if isolation == "read_committed" {
		level = kgo.ReadCommitted()
	}
	client, err := kgo.NewClient(seeds, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	must(err)
	defer client.Close()
	ends := endsOf(ctx, client, topic, isolation)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			must(failed.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				fmt.Fprintf(out, "%d\t%d\t%s\n", r.Partition, r.Offset, r.Value)
			}
			if r.Offset+1 >= ends[r.Partition] {
				delete(ends, r.Partition)
			}
		})
	}
}

// Of the partitions that are not empty.
func endsOf(ctx context.Context, client *kgo.Client, topic, isolation string) map[int32]int64 {
	metadata := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	metadata.Topics = append(metadata.Topics, asked)
	known, err := metadata.RequestWith(ctx, client)
	must(err)
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	if isolation == "read_committed" {
		list.IsolationLevel = 1
	}
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic = topic
	for _, p := range known.Topics[0].Partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = p.Partition, -1, -1
		of.Partitions = append(of.Partitions, partition)
	}
	list.Topics = append(list.Topics, of)
	ends := map[int32]int64{}
	for _, shard := range client.RequestSharded(ctx, list) {
		must(shard.Err)
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				must(kerr.ErrorForCode(p.ErrorCode))
				if p.Offset > 0 {
					ends[p.Partition] = p.Offset
				}
			}
		}
	}
	return ends
}

// Until its input ends. What cannot go on is begun anew, with the same id.
func process(ctx context.Context, seeds kgo.Opt, id, group, from, to string) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	for ctx.Err() == nil {
		options := append(producing(id), seeds, kgo.ConsumerGroup(group), kgo.ConsumeTopics(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.Balancers(kgo.RangeBalancer()),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))
		session, err := kgo.NewGroupTransactSession(options...)
		must(err)
		for ctx.Err() == nil {
			if err := processSome(ctx, session, to); err != nil {
				fmt.Fprintln(os.Stderr, "anew after", err)
				break
			}
		}
		session.Close()
	}
}

func processSome(ctx context.Context, session *kgo.GroupTransactSession, to string) error {
	records := session.PollRecords(ctx, 10).Records()
	if len(records) == 0 {
		return nil
	}
	if err := session.Begin(); err != nil {
		return err
	}
	// what was begun is ended, also when it is to stop
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	sent := kgo.AbortingFirstErrPromise(session.Client())
	for _, r := range records {
		session.Produce(ending, &kgo.Record{Topic: to, Partition: r.Partition, Value: append([]byte("of "), r.Value...)}, sent.Promise())
	}
	sendError := sent.Err()
	committed, err := session.End(ending, kgo.TransactionEndTry(sendError == nil))
	if err != nil {
		return errors.Join(sendError, err)
	}
	if committed {
		fmt.Printf("processed\t%d\n", len(records))
	} else {
		fmt.Fprintln(os.Stderr, "aborted", sendError)
	}
	return nil
}

func fence(ctx context.Context, seeds kgo.Opt, id, topic string) {
	first, second := producerOf(seeds, id), producerOf(seeds, id)
	of := func(text string) *kgo.Record { return &kgo.Record{Topic: topic, Partition: 0, Value: []byte(text)} }
	must(first.BeginTransaction())
	must(first.ProduceSync(ctx, of("of the fenced one")).FirstErr())
	must(second.BeginTransaction())
	must(second.ProduceSync(ctx, of("of the second one")).FirstErr())
	err := first.EndTransaction(ctx, kgo.TryCommit)
	var refused *kerr.Error
	if errors.As(err, &refused) {
		fmt.Printf("first\t%s\n", refused.Message)
	} else {
		fmt.Printf("first\t%v\n", err)
	}
	must(second.EndTransaction(ctx, kgo.TryCommit))
	fmt.Println("second\tcommit")
}
