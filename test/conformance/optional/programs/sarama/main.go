// An older release of sarama, driven by the tests: `commit GROUP TOPIC PARTITION OFFSET METADATA` through its offset manager, `commit0` the same in version 0,
// `positions GROUP TOPIC PARTITION` in versions 0 and 1, or `offsets TOPIC PARTITION` as a client from before Kafka 0.10.1 asks.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/Shopify/sarama"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return value
}

func main() {
	command, args := os.Args[2], os.Args[3:]
	config := sarama.NewConfig()
	config.Version = sarama.V0_10_0_0
	client, err := sarama.NewClient(strings.Split(os.Args[1], ","), config)
	must(err)
	defer client.Close()
	switch command {
	case "commit":
		commit(client, args[0], args[1], int32(number(args[2])), number(args[3]), args[4])
	case "commit0":
		request := &sarama.OffsetCommitRequest{Version: 0, ConsumerGroup: args[0]}
		request.AddBlock(args[1], int32(number(args[2])), number(args[3]), 0, args[4])
		answer, err := coordinator(client, args[0]).CommitOffset(request)
		must(err)
		if code := answer.Errors[args[1]][int32(number(args[2]))]; code != sarama.ErrNoError {
			log.Fatal(code)
		}
	case "positions":
		for version := int16(0); version <= 1; version++ {
			request := &sarama.OffsetFetchRequest{Version: version, ConsumerGroup: args[0]}
			request.AddPartition(args[1], int32(number(args[2])))
			answer, err := coordinator(client, args[0]).FetchOffset(request)
			must(err)
			block := answer.GetBlock(args[1], int32(number(args[2])))
			if block.Err != sarama.ErrNoError {
				log.Fatal(block.Err)
			}
			fmt.Printf("%d\t%s\n", block.Offset, block.Metadata)
		}
	case "offsets":
		for _, time := range []int64{sarama.OffsetOldest, sarama.OffsetNewest} {
			offset, err := client.GetOffset(args[0], int32(number(args[1])), time)
			must(err)
			fmt.Println(offset)
		}
	}
}

func coordinator(client sarama.Client, group string) *sarama.Broker {
	broker, err := client.Coordinator(group)
	must(err)
	return broker
}

func commit(client sarama.Client, group, topic string, partition int32, offset int64, metadata string) {
	manager, err := sarama.NewOffsetManagerFromClient(group, client)
	must(err)
	positions, err := manager.ManagePartition(topic, partition)
	must(err)
	positions.MarkOffset(offset, metadata)
	must(positions.Close())
	must(manager.Close())
	for err := range positions.Errors() {
		must(err)
	}
}
