# Submits a job and prints its result; then schedules one for later and cancels it.
#
#   apt install ruby-bunny          (or: gem install bunny)
#   WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 ruby jobs.rb README.md

require "bunny"
require "json"
require "securerandom"

BROKER = ENV.fetch("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")

# A producer of jobs: one channel, and one queue for all that comes back.
class Jobs
  def initialize(connection)
    @channel = connection.create_channel
    @channel.confirm_select
    @submit = @channel.exchange("jobs.submit", type: :fanout, passive: true)
    @submit.on_return { |info, _, _| @returned = info.reply_text }
    @replies = @channel.queue("to-jobs-#{SecureRandom.uuid}", exclusive: true)
    @ends = Hash.new { |ends, job| ends[job] = Thread::Queue.new }
    @replies.subscribe { |_, properties, body| @ends[properties.correlation_id] << JSON.parse(body) }
  end

  # Returns the job's id. Should it raise, it may be done again with the same key: that is the same job.
  def submit(type, params, key:, scheduled_at: nil)
    job = SecureRandom.uuid
    headers = { "idempotency-key" => key }
    headers["scheduled-at"] = (scheduled_at.to_f * 1000).to_i if scheduled_at
    publish(type, params, message_id: job, reply_to: @replies.name, correlation_id: job, headers: headers)
    job
  end

  def cancel(job, reason)
    publish("warren.cancel", { job: job, reason: reason })
  end

  # The job as it is at its end.
  def end_of(job, seconds: 30)
    Timeout.timeout(seconds, nil, "job #{job} has not ended within #{seconds} s; are a server and a worker there?") do
      @ends[job].pop
    end
  end

  private

  # When this returns, the broker has the message on its disk.
  def publish(type, body, **properties)
    @returned = nil
    @submit.publish(
      JSON.generate(body),
      type: type, content_type: "application/json", persistent: true, mandatory: true, **properties
    )
    raise "the broker has refused the message" unless @channel.wait_for_confirms
    raise "the exchange jobs.submit leads to no queue: #{@returned}" if @returned
  end
end

abort "usage: jobs.rb FILE    (FILE as the worker sees it)" unless ARGV.length == 1
path = ARGV.first

# Most clients take a lone slash for the virtual host without a name.
connection = Bunny.new(BROKER.delete_suffix("/"), automatically_recover: false, log_level: :fatal)
begin
  connection.start
  jobs = Jobs.new(connection)

  job = jobs.submit("files:checksum", { path: path }, key: "checksum-#{SecureRandom.uuid}")
  done = jobs.end_of(job)
  puts "job #{job} #{done["status"]}: #{done["result"] || done["error"]}"
  exit 1 unless done["status"] == "completed"

  job = jobs.submit("files:checksum", { path: path }, key: "checksum-#{SecureRandom.uuid}", scheduled_at: Time.now + 3600)
  jobs.cancel(job, "no longer needed")
  done = jobs.end_of(job)
  puts "job #{job} #{done["status"]}: #{done["details"]}"
  exit 1 unless done["status"] == "canceled"
rescue Bunny::Exception, Timeout::Error, RuntimeError => e
  abort "#{e.class}: #{e.message}"
ensure
  connection.close if connection.open?
end
