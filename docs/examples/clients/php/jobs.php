<?php
// Submits a job and prints its result; then schedules one for later and cancels it.
//
//   apt install php-cli php-amqplib          (or: composer require php-amqplib/php-amqplib)
//   WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 php jobs.php README.md

declare(strict_types=1);

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function uuid(): string
{
    $bytes = random_bytes(16);
    $bytes[6] = chr(ord($bytes[6]) & 0x0f | 0x40);
    $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($bytes), 4));
}

function connect(string $broker): AMQPStreamConnection
{
    $url = parse_url($broker);
    if ($url === false || ($url['scheme'] ?? '') !== 'amqp' || !isset($url['host'])) {
        throw new InvalidArgumentException("WARREN_BROKER must be like amqp://user:password@host:5672/vhost, not '$broker'");
    }
    $vhost = urldecode(substr($url['path'] ?? '', 1));
    return new AMQPStreamConnection(
        $url['host'],
        $url['port'] ?? 5672,
        urldecode($url['user'] ?? 'guest'),
        urldecode($url['pass'] ?? 'guest'),
        $vhost === '' ? '/' : $vhost,
        connection_timeout: 10.0
    );
}

/** A producer of jobs: one channel, and one queue for all that comes back. */
final class Jobs
{
    private AMQPChannel $channel;
    private string $replies;
    /** @var array<string, object> the jobs that have ended */
    private array $ends = [];
    private ?string $refused = null;

    public function __construct(AMQPStreamConnection $connection)
    {
        $this->channel = $connection->channel();
        $this->channel->confirm_select();
        $this->channel->set_nack_handler(function (): void {
            $this->refused = 'the broker has refused the message';
        });
        $this->channel->set_return_listener(function (int $code, string $text): void {
            $this->refused = "the exchange jobs.submit leads to no queue: $text";
        });
        [$this->replies] = $this->channel->queue_declare('to-jobs-' . uuid(), exclusive: true);
        $this->channel->basic_consume($this->replies, no_ack: true, callback: function (AMQPMessage $message): void {
            $this->ends[$message->get('correlation_id')] = json_decode($message->body, flags: JSON_THROW_ON_ERROR);
        });
    }

    /** Returns the job's id. Should it throw, it may be done again with the same key: that is the same job. */
    public function submit(string $type, array $params, string $key, array $headers = []): string
    {
        $job = uuid();
        $this->publish($type, (object) $params, [
            'message_id' => $job,
            'reply_to' => $this->replies,
            'correlation_id' => $job,
            'application_headers' => new AMQPTable(['idempotency-key' => $key] + $headers),
        ]);
        return $job;
    }

    public function cancel(string $job, string $reason): void
    {
        $this->publish('warren.cancel', ['job' => $job, 'reason' => $reason], []);
    }

    /** The job as it is at its end. */
    public function endOf(string $job, int $seconds = 30): object
    {
        $deadline = microtime(true) + $seconds;
        while (!isset($this->ends[$job])) {
            $this->channel->wait(timeout: max(0.001, $deadline - microtime(true)));
        }
        return $this->ends[$job];
    }

    /** When this returns, the broker has the message on its disk. */
    private function publish(string $type, object|array $body, array $properties): void
    {
        $this->refused = null;
        $message = new AMQPMessage(json_encode($body, JSON_THROW_ON_ERROR), $properties + [
            'type' => $type,
            'content_type' => 'application/json',
            'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
        ]);
        $this->channel->basic_publish($message, 'jobs.submit', mandatory: true);
        $this->channel->wait_for_pending_acks_returns(10);
        if ($this->refused !== null) {
            throw new RuntimeException($this->refused);
        }
    }
}

if ($argc !== 2) {
    fwrite(STDERR, "usage: php jobs.php FILE    (FILE as the worker sees it)\n");
    exit(2);
}
try {
    $connection = connect(getenv('WARREN_BROKER') ?: 'amqp://guest:guest@127.0.0.1:5672');
    $jobs = new Jobs($connection);

    $job = $jobs->submit('files:checksum', ['path' => $argv[1]], 'checksum-' . uuid());
    $end = $jobs->endOf($job);
    echo "job $job $end->status: ", $end->result ?? $end->error, "\n";
    if ($end->status !== 'completed') {
        exit(1);
    }

    $inAnHour = (time() + 3600) * 1000;
    $job = $jobs->submit('files:checksum', ['path' => $argv[1]], 'checksum-' . uuid(), ['scheduled-at' => $inAnHour]);
    $jobs->cancel($job, 'no longer needed');
    $end = $jobs->endOf($job);
    echo "job $job $end->status: $end->details\n";
    $connection->close();
    exit($end->status === 'canceled' ? 0 : 1);
} catch (AMQPTimeoutException $error) {
    fwrite(STDERR, "nothing came in time; are a server and a worker there? {$error->getMessage()}\n");
} catch (AMQPExceptionInterface | RuntimeException | InvalidArgumentException | JsonException $error) {
    fwrite(STDERR, $error::class . ": {$error->getMessage()}\n");
}
exit(1);
