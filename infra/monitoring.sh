# shellcheck shell=bash
# What watches the stack: an exporter for each part that cannot speak for itself, and Prometheus, which asks all of them
# and raises the alarms; read by infra/stack. All of it listens where infra/stack says, and nothing else reaches it.

monitoring=(node-exporter nginx-exporter redis-exporter postgres-exporter blackbox-exporter prometheus)

# Where `db-seeder` and `publish` say how they ended, for the node exporter.
text_files=$STACK_DIR/metrics

start_node_exporter() {
  local collector collectors=()
  for collector in cpu diskstats filefd filesystem loadavg meminfo netdev pressure stat textfile time timex uname; do
    collectors+=("--collector.$collector")
  done
  launch node-exporter prometheus-node-exporter --collector.disable-defaults "${collectors[@]}" \
    --collector.textfile.directory="$text_files" --web.listen-address="$NODE_EXPORTER_ADDRESS" --log.level=warn
}

# Each of the next three gives up before Prometheus does, so that what is dead is the part and not its exporter.
start_nginx_exporter() {
  launch nginx-exporter prometheus-nginx-exporter -nginx.scrape-uri="http://$NGINX_STATUS_ADDRESS/status" \
    -nginx.timeout=2s -nginx.retries=10 -nginx.retry-interval=1s -web.listen-address="$NGINX_EXPORTER_ADDRESS"
}
start_redis_exporter() {
  # Without CONFIG, which would show the passwords.
  REDIS_ADDR=redis://$REDIS_ADDRESS REDIS_USER=monitor REDIS_PASSWORD=$monitor_password \
    launch redis-exporter prometheus-redis-exporter -config-command=- -connection-timeout=2s \
    -web.listen-address="$REDIS_EXPORTER_ADDRESS"
}
start_postgres_exporter() {
  DATA_SOURCE_URI="$POSTGRES_ADDRESS/results?sslmode=disable&connect_timeout=2" DATA_SOURCE_USER=monitor \
    DATA_SOURCE_PASS=$monitor_password \
    launch postgres-exporter prometheus-postgres-exporter --web.listen-address="$POSTGRES_EXPORTER_ADDRESS" \
    --log.level=warn
}
# It asks NGINX and the servers as a student would.
start_blackbox_exporter() {
  launch blackbox-exporter prometheus-blackbox-exporter --config.file="$root/infra/prometheus/blackbox.yml" \
    --web.listen-address="$BLACKBOX_EXPORTER_ADDRESS" --log.level=warn
}
ready_exporter() {
  local address
  address=$(addresses_of "$1-exporter")
  answers "http://${!address}/metrics"
}

# Fills in what Prometheus reads, in the folder $1: what there is to watch, and what is made of it.
render_prometheus() {
  local name names=''
  mkdir -p "$1"/{rules,targets}
  cp "$root/infra/prometheus/prometheus.yml" "$1"
  cp "$root"/infra/prometheus/rules/*.yml "$1/rules"
  for name in MINIO WATCHER NODE_EXPORTER NGINX_EXPORTER REDIS_EXPORTER POSTGRES_EXPORTER BLACKBOX_EXPORTER \
    PROMETHEUS NGINX REPLICA_{1,2,3} REPLICA_{1,2,3}_ADMIN; do
    export "${name}_ADDRESS"
    names+=" \${${name}_ADDRESS}"
  done
  envsubst "$names" <"$root/infra/prometheus/targets/stack.yml.template" >"$1/targets/stack.yml"
  [[ $WATCHER != yes ]] ||
    envsubst "$names" <"$root/infra/prometheus/targets/watcher.yml.template" >"$1/targets/watcher.yml"
}
start_prometheus() {
  rm -rf "$STACK_DIR"/prometheus/{rules,targets}
  render_prometheus "$STACK_DIR/prometheus"
  launch prometheus prometheus --config.file="$STACK_DIR/prometheus/prometheus.yml" \
    --storage.tsdb.path="$STACK_DIR/prometheus/data" --web.listen-address="$PROMETHEUS_ADDRESS" --log.level=warn
}
ready_prometheus() { answers "http://$PROMETHEUS_ADDRESS/-/ready"; }

# Takes over rules that were edited, and a watcher that came or went.
reload_prometheus() {
  local new=$STACK_DIR/prometheus.new part said
  rm -rf "$new"
  render_prometheus "$new"
  for part in prometheus.yml rules targets; do
    ! diff -rq "$new/$part" "$STACK_DIR/prometheus/$part" >/dev/null || continue
    echo "reloading prometheus"
    said=$(promtool check config "$new/prometheus.yml" 2>&1) || die "prometheus keeps its old configuration: $said"
    rm -rf "$STACK_DIR"/prometheus/{rules,targets}
    cp -r "$new"/* "$STACK_DIR/prometheus"
    recall prometheus
    kill -HUP "$pid"
    break
  done
  rm -rf "$new"
}
