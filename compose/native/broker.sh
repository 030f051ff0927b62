# shellcheck shell=sh
# Starts and stops a private RabbitMQ node, with the configuration that the containers use too. Sourced.
#
# Needs: $compose (the folder compose), $run (a folder for the node's files), ports.sh.
# Sets: $amqp_port, $management_port, $node.

broker_start() {
  amqp_port=${WARREN_AMQP_PORT:-$(free_port 5672)}
  management_port=${WARREN_MANAGEMENT_PORT:-$(free_port 15672)}
  node="warren-$amqp_port@localhost"
  broker="$run/broker"
  mkdir -p "$broker/conf.d"
  cat >"$broker/conf.d/50-node.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$amqp_port
management.tcp.ip = 127.0.0.1
management.tcp.port = $management_port
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $(free_port 15692)
CONF
  # The Erlang cookie of a private node lies in a home of its own.
  (
    broker_environment
    export RABBITMQ_DIST_PORT
    RABBITMQ_DIST_PORT=$(free_port 25672)
    # A session of its own: a Ctrl-C is for the scripts, which stop the node in their turn.
    exec setsid /usr/lib/rabbitmq/bin/rabbitmq-server
  ) >"$broker/server.log" 2>&1 &
  broker_pid=$!
  if ! broker_control wait --timeout 90 "$broker/pid" >"$broker/wait.log" 2>&1; then
    tail -n 20 "$broker/server.log" "$broker/wait.log" >&2
    echo "RabbitMQ did not start; its log is in $broker" >&2
    return 1
  fi
}

broker_stop() {
  [ -n "${broker_pid:-}" ] || return 0
  # At SIGTERM Erlang shuts the node down in order; while it starts, there is only its script.
  node_pid=$(cat "$broker/pid" 2>/dev/null) || node_pid=$broker_pid
  kill -TERM "$node_pid" 2>/dev/null
  setsid sh -c "sleep 20; kill -s KILL -- -$broker_pid" 2>/dev/null &
  watchdog=$!
  wait "$broker_pid" 2>/dev/null
  kill -s KILL -- "-$watchdog" 2>/dev/null
  broker_pid=
  # The port mapper goes too, unless another node is registered with it.
  epmd -kill >/dev/null 2>&1
  return 0
}

broker_control() {
  (
    broker_environment
    exec /usr/lib/rabbitmq/bin/rabbitmqctl -q -n "$node" "$@"
  )
}

broker_environment() {
  export HOME="$broker" RABBITMQ_NODENAME="$node"
  export RABBITMQ_MNESIA_BASE="$broker/mnesia" RABBITMQ_LOG_BASE="$broker/log"
  export RABBITMQ_PID_FILE="$broker/pid" ERL_CRASH_DUMP="$broker/erl_crash.dump"
  export RABBITMQ_CONFIG_FILE="$compose/rabbitmq/rabbitmq.conf"
  export RABBITMQ_CONFIG_FILES="$broker/conf.d"
  export RABBITMQ_ENABLED_PLUGINS_FILE="$compose/rabbitmq/enabled_plugins"
}
