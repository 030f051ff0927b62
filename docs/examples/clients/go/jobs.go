// Submits a job and prints its result; then schedules one for later and cancels it.
//
//	apt install golang-go golang-github-rabbitmq-amqp091-go-dev
//	export GO111MODULE=off GOPATH=/usr/share/gocode
//	WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 go run jobs.go README.md
//
// Or in a module: go get github.com/rabbitmq/amqp091-go
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A Job is what Warren tells of one; it has more members than these.
type Job struct {
	ID      string          `json:"id"`
	Status  string          `json:"status"`
	Details string          `json:"details"`
	Error   string          `json:"error"`
	Result  json.RawMessage `json:"result"`
}

// A Producer has one channel, and one queue for all that comes back.
type Producer struct {
	channel  *amqp.Channel
	replies  string
	ends     <-chan amqp.Delivery
	returned <-chan amqp.Return
	verdicts <-chan amqp.Confirmation
}

func newProducer(connection *amqp.Connection) (*Producer, error) {
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	if err := channel.Confirm(false); err != nil {
		return nil, err
	}
	queue, err := channel.QueueDeclare("to-jobs-"+uuid(), false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	ends, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	return &Producer{
		channel:  channel,
		replies:  queue.Name,
		ends:     ends,
		returned: channel.NotifyReturn(make(chan amqp.Return, 1)),
		verdicts: channel.NotifyPublish(make(chan amqp.Confirmation, 1)),
	}, nil
}

// publish returns when the broker has the message on its disk.
func (p *Producer) publish(ctx context.Context, body any, message amqp.Publishing) error {
	var err error
	if message.Body, err = json.Marshal(body); err != nil {
		return err
	}
	message.ContentType = "application/json"
	message.DeliveryMode = amqp.Persistent
	if err := p.channel.PublishWithContext(ctx, "jobs.submit", "", true, false, message); err != nil {
		return err
	}
	select {
	case verdict, open := <-p.verdicts:
		if !open || !verdict.Ack {
			return errors.New("the broker has not taken the message")
		}
	case <-ctx.Done():
		return fmt.Errorf("the broker has not confirmed the message: %w", ctx.Err())
	}
	// A message that is returned is confirmed after that.
	select {
	case why := <-p.returned:
		return fmt.Errorf("the exchange jobs.submit leads to no queue: %s", why.ReplyText)
	default:
		return nil
	}
}

// submit returns the job's id. Should it fail, it may be done again with the same key: that is the same job.
func (p *Producer) submit(
	ctx context.Context, jobType string, params any, key string, at time.Time,
) (string, error) {
	job := uuid()
	headers := amqp.Table{"idempotency-key": key}
	if !at.IsZero() {
		headers["scheduled-at"] = at.UnixMilli()
	}
	return job, p.publish(ctx, params, amqp.Publishing{
		Type:          jobType,
		MessageId:     job,
		ReplyTo:       p.replies,
		CorrelationId: job,
		Headers:       headers,
	})
}

func (p *Producer) cancel(ctx context.Context, job, reason string) error {
	body := map[string]string{"job": job, "reason": reason}
	return p.publish(ctx, body, amqp.Publishing{Type: "warren.cancel"})
}

// end waits for the job as it is at its end.
func (p *Producer) end(ctx context.Context, id string) (job Job, err error) {
	for {
		select {
		case message, open := <-p.ends:
			if !open {
				return job, errors.New("the connection is gone")
			}
			if message.CorrelationId == id {
				return job, json.Unmarshal(message.Body, &job)
			}
		case <-ctx.Done():
			return job, fmt.Errorf(
				"job %s has not ended; are a server and a worker there? %w", id, ctx.Err())
		}
	}
}

func uuid() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func run(broker, path string) error {
	connection, err := amqp.Dial(broker)
	if err != nil {
		return err
	}
	defer connection.Close()
	producer, err := newProducer(connection)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	params := map[string]string{"path": path}

	id, err := producer.submit(ctx, "files:checksum", params, "checksum-"+uuid(), time.Time{})
	if err != nil {
		return err
	}
	job, err := producer.end(ctx, id)
	if err != nil {
		return err
	}
	if job.Status != "completed" {
		return fmt.Errorf("job %s %s: %s", job.ID, job.Status, job.Error)
	}
	fmt.Printf("job %s %s: %s\n", job.ID, job.Status, job.Result)

	inAnHour := time.Now().Add(time.Hour)
	id, err = producer.submit(ctx, "files:checksum", params, "checksum-"+uuid(), inAnHour)
	if err != nil {
		return err
	}
	if err := producer.cancel(ctx, id, "no longer needed"); err != nil {
		return err
	}
	if job, err = producer.end(ctx, id); err != nil {
		return err
	}
	fmt.Printf("job %s %s: %s\n", job.ID, job.Status, job.Details)
	if job.Status != "canceled" {
		return errors.New("it should have been canceled")
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: jobs FILE    (FILE as the worker sees it)")
		os.Exit(2)
	}
	broker := os.Getenv("WARREN_BROKER")
	if broker == "" {
		broker = "amqp://guest:guest@127.0.0.1:5672"
	}
	if err := run(broker, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
