// franz-go, driven by the tests: `produce TOPIC CODEC` or `consume TOPIC`. Records are lines, see outside-client.ts.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func toBytes(text string) []byte {
	if text == "-" {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	must(err)
	if data == nil {
		data = []byte{}
	}
	return data
}

func toText(data []byte) string {
	if data == nil {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(data)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	seeds := kgo.SeedBrokers(strings.Split(os.Args[1], ",")...)
	switch os.Args[2] {
	case "produce":
		produce(ctx, seeds, os.Args[3], os.Args[4])
	case "consume":
		consume(ctx, seeds, os.Args[3])
	}
}

func produce(ctx context.Context, seeds kgo.Opt, topic, codec string) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(seeds, kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(5*time.Millisecond))
	must(err)
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		ms, err := strconv.ParseInt(fields[0], 10, 64)
		must(err)
		record := &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(ms), Key: toBytes(fields[1]), Value: toBytes(fields[2])}
		if fields[3] != "" {
			for _, pair := range strings.Split(fields[3], ",") {
				name, value, _ := strings.Cut(pair, ":")
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: toBytes(value)})
			}
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) { must(err) })
	}
	must(client.Flush(ctx))
}

func consume(ctx context.Context, seeds kgo.Opt, topic string) {
	client, err := kgo.NewClient(seeds, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	must(err)
	defer client.Close()
	left := countRecords(ctx, client, topic)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			must(failed.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			headers := make([]string, 0, len(r.Headers))
			for _, header := range r.Headers {
				headers = append(headers, header.Key+":"+toText(header.Value))
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t%s\n", r.Partition, r.Offset, r.Timestamp.UnixMilli(), toText(r.Key), toText(r.Value), strings.Join(headers, ","))
			left--
		})
	}
}

// countRecords adds up the end offsets; the topics read here begin at 0.
func countRecords(ctx context.Context, client *kgo.Client, topic string) int64 {
	metadata := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	metadata.Topics = append(metadata.Topics, asked)
	known, err := metadata.RequestWith(ctx, client)
	must(err)
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic = topic
	for _, p := range known.Topics[0].Partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = p.Partition, -1, -1
		of.Partitions = append(of.Partitions, partition)
	}
	list.Topics = append(list.Topics, of)
	var total int64
	for _, shard := range client.RequestSharded(ctx, list) {
		must(shard.Err)
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				total += p.Offset
			}
		}
	}
	return total
}
