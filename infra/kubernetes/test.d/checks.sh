# shellcheck shell=bash
# What has to hold in a cluster, in this order; each check is a function and its name says what. Read by
# infra/kubernetes/test.

the_api_server_admits_every_overlay() {
  local overlay
  kubectl apply --server-side --filename="$here/base/namespace.yaml" >/dev/null
  for overlay in "${overlays[@]}"; do
    kubectl apply --server-side --dry-run=server --filename="$work/$overlay.yaml" >/dev/null
  done
}

a_pod_that_would_be_root_is_refused() {
  local said
  said=$(results run root --image=results-day:local --dry-run=server 2>&1) && die "it was admitted"
  [[ $said == *'violates PodSecurity "restricted'* ]] || die "it was refused otherwise: $said"
}

everything_comes_up() {
  apply_overlay
  results rollout status statefulset/postgres statefulset/minio deployment/redis deployment/nginx --timeout=180s >/dev/null
}

the_autoscaler_keeps_the_least_number_of_replicas() {
  within 60 "three replicas" eval '[[ $(results get deployment serve --output=jsonpath={.spec.replicas}) == 3 ]]'
  within 60 "a word of the autoscaler" eval '[[ $(scaling) ]]'
  echo "  there is no metrics server here, so it says of scaling: $(scaling)"
}
scaling() {
  results get hpa serve --output=json |
    jq -r '.status.conditions // [] | map(select(.type == "ScalingActive") | "\(.status), \(.reason)") | first // empty'
}

nobody_is_answered_before_a_release() {
  within 30 "an answer" is_answered_with /student/1.json 503
  is "Cache-Control" "$(header cache-control)" no-store
  is "Content-Type" "$(header content-type)" application/problem+json
}

# As a board makes them that has results of its own; then they are taken away for those who are made up.
the_tables_are_made_for_who_imports_results() {
  job tables | sed 's/^/  /'
  is "the number of students" "$(sql 'SELECT count(*) FROM students')" 0
  job tables | sed 's/^/  /'
  sql 'DROP OWNED BY results'
  # With them goes what the servers' role may read of those to come.
  sql 'ALTER DEFAULT PRIVILEGES FOR ROLE results GRANT SELECT ON TABLES TO serve'
}

a_nation_is_seeded() {
  job seed --students "$STUDENTS" | sed 's/^/  /'
  is "the number of students" "$(sql 'SELECT count(*) FROM students')" "$STUDENTS"
}

three_pods_publish_in_parts_though_one_is_killed() {
  local publishing part=batch.kubernetes.io/job-completion-index=1
  "$here/publish-in-parts" 3 >"$work/parts.log" 2>&1 &
  publishing=$!
  within 60 "the part" eval '[[ $(results get pods --selector="$part" --output=name) ]]'
  results delete pod --selector="$part" --grace-period=0 --force >/dev/null 2>&1
  wait "$publishing" || die "the publication failed: $(tail -n 3 "$work/parts.log")"
  sed 's/^/  /' "$work/parts.log"
  job publish verify --database | sed 's/^/  /'
}

all_replicas_serve_the_release() {
  within 60 "three replicas that are ready" serves 3
  within 20 "the release on every replica" every_replica_says ".release == 1 and .students == $STUDENTS and .visible"
  within 30 "an answer" is_answered_with /student/12345.json 200
  is "the student" "$(jq .id <<<"$body")" 12345
  is "Cache-Control" "$(header cache-control)" 'public, max-age=60, stale-while-revalidate=30'
  is "Cache-Status" "$(header cache-status)" 'results-day;hit'
  is "Vary" "$(header vary)" accept-encoding
  local plain=$body tag
  tag=$(header etag)
  ask /student/12345.json -H "If-None-Match: $tag"
  is "the status of a repeated question" "$status" 304
  ask /student/12345
  is "the live answer" "$body" "$plain"
  ask /student/999999.json
  is "the status of an unknown student" "$status" 404
}

the_servers_role_reads_the_results_and_changes_nothing() {
  local refused
  # Who publishes has ended, so whoever is connected is a server.
  is "who is connected" "$(sql 'SELECT DISTINCT usename FROM pg_stat_activity WHERE client_addr IS NOT NULL')" serve
  is "the number of students" "$(as_server 'SELECT count(*) FROM students')" "$STUDENTS"
  for refused in "UPDATE students SET name = 'x' WHERE id = 1" "SELECT log_changes('{0}')" \
    "INSERT INTO release_tokens VALUES ('x')" 'CREATE TABLE mine ()'; do
    ! as_server "$refused" >"$work/refused" 2>&1 || die "$refused was allowed"
    grep -q 'permission denied' "$work/refused" || die "$refused: $(<"$work/refused")"
  done
}
as_server() {
  results exec postgres-0 --quiet -- psql -qXAt -v ON_ERROR_STOP=1 -h /run/postgresql -d results -c 'SET ROLE serve' -c "$1"
}

the_servers_key_reads_the_store_and_changes_nothing() {
  local refused
  is "the servers' key" "$(results exec deployment/serve --quiet -- printenv AWS_ACCESS_KEY_ID)" serve
  as_servers_key 'mc --quiet cat store/results/releases/00000000000000000001.json' | grep -q '"number":1' || die "it does not read"
  for refused in 'echo x | mc pipe store/results/releases/00000000000000000002.json' 'mc rm store/results/releases/00000000000000000001.json' \
    'mc mb store/other' 'mc admin user list store'; do
    ! as_servers_key "$refused" >"$work/refused" 2>&1 || die "$refused was allowed"
    grep -qiE 'access denied|insufficient permissions' "$work/refused" || die "$refused: $(<"$work/refused")"
  done
}
as_servers_key() {
  results exec minio-0 --quiet -- sh -c "
    export MC_CONFIG_DIR=/tmp/serve MC_HOST_store=http://serve:\$(cat /run/results-day/serve_password)@127.0.0.1:9000
    $1"
}

a_roll_to_a_new_version_drops_no_request() {
  begin_load
  edit_overlay results-day:local results-day:next
  apply_overlay
  results rollout status deployment/serve --timeout=180s >/dev/null
  within 60 "the last pods' end" serves 3
  none_failed
  is "the version" "$(results get pods --selector=app.kubernetes.io/name=serve --output=json |
    jq -r '[.items[].spec.containers[0].image] | unique | join(" ")')" results-day:next
}

a_deleted_pod_drops_no_request() {
  begin_load
  results delete pod "$(pods_of serve | cut -d' ' -f1)" >/dev/null
  within 60 "another pod" serves 3
  none_failed
}

# The only node: so that another pod can come for each that goes, it is opened again as soon as it is closed. The
# disruption budget lets one go at a time.
a_drained_node_drops_no_request() {
  local before drain
  before=$(pods_of serve)
  begin_load
  kubectl drain node --pod-selector=app.kubernetes.io/name=serve --delete-emptydir-data --ignore-daemonsets \
    --timeout=180s >"$work/drain.log" 2>&1 &
  drain=$!
  within 20 "a closed node" eval '[[ $(kubectl get node node --output=jsonpath={.spec.unschedulable}) == true ]]'
  kubectl uncordon node >/dev/null
  wait "$drain" || die "it was not drained: $(tail -n 3 "$work/drain.log")"
  within 60 "other pods" serves 3
  none_failed
  for pod in $before; do
    [[ " $(pods_of serve) " != *" $pod "* ]] || die "$pod is still there"
  done
}

nginx_is_rolled_without_a_failed_request() {
  begin_load
  results rollout restart deployment/nginx >/dev/null
  results rollout status deployment/nginx --timeout=120s >/dev/null
  within 60 "the old pods' end" eval '[[ $(pods_of nginx | wc -w) == 2 ]]'
  none_failed
}

# A server that is killed has not said good-bye: until its pod is not ready any more, one new connection in three is led
# to it and refused, and NGINX tries again. That it meets it every time is improbable (base/nginx/replicas.conf), not
# impossible.
a_killed_server_is_no_clients_trouble() {
  begin_load
  kill_container "$(pods_of serve | cut -d' ' -f1)"
  within 60 "three replicas that are ready" serves 3
  end_load
  echo "  $failures of $requests requests failed"
  ((failures <= 1)) || die "see $work/load.log"
}

without_the_database_the_unchanged_are_served_and_the_changed_are_not() {
  sql "UPDATE natural_science_results SET english = (english + 1) % 101 WHERE student_id = (SELECT min(student_id) FROM natural_science_results)"
  changed=$(sql 'SELECT min(student_id) FROM natural_science_results')
  within 10 "the change on every replica" every_replica_says '.changes.since_release == 1'
  # The cache would answer for the database.
  results scale deployment/redis statefulset/postgres --replicas=0 >/dev/null
  within 90 "the end of the database" eval '[[ -z $(pods_of postgres) && -z $(pods_of redis) ]]'
  ask "/student/$changed.json"
  is "the status of the changed student" "$status" 503
  is "Cache-Control" "$(header cache-control)" no-store
  [[ $(header retry-after) ]] || die "there is no Retry-After"
  ask "/student/$((changed + 100)).json"
  is "the status of an unchanged student" "$status" 200
  is "Cache-Status" "$(header cache-status)" 'results-day;hit'
  serves 3 || die "replicas left the rotation"
}

# It has written down what it knew.
a_server_that_dies_meanwhile_comes_back_and_still_knows_who_changed() {
  local pod
  pod=$(pods_of serve | cut -d' ' -f2)
  kill_container "$pod"
  within 60 "three replicas that are ready" serves 3
  every_replica_says '.changes.since_release == 1' || die "the change is forgotten"
}

with_the_database_back_the_changed_are_answered() {
  results scale deployment/redis statefulset/postgres --replicas=1 >/dev/null
  within 90 "an answer to the changed student" is_answered_with "/student/$changed.json" 200
  is "the mark" "$(jq .results.english <<<"$body")" \
    "$(sql "SELECT english FROM natural_science_results WHERE student_id = $changed")"
  is "Cache-Control" "$(header cache-control)" no-cache
}

a_front_that_is_taken_down_comes_back_with_the_overlay() {
  results scale deployment/nginx --replicas=0 >/dev/null
  within 60 "the end of the front" eval '[[ -z $(pods_of nginx) ]]'
  apply_overlay
  within 60 "an answer" is_answered_with /student/12345.json 200
}

of_two_watchers_one_leads_and_the_other_takes_over() {
  local first second
  edit_overlay 'replicas: 0' 'replicas: 2'
  apply_overlay
  results rollout status deployment/watch --timeout=60s >/dev/null
  within 60 "the next release" every_replica_says '.release == 2 and .changes.since_release == 0'
  first=$(leader)
  sql "UPDATE natural_science_results SET english = (english + 1) % 101 WHERE student_id = $changed"
  results delete pod "$first" --grace-period=0 --force >/dev/null 2>&1
  within 90 "the release after that" every_replica_says '.release == 3 and .changes.since_release == 0'
  second=$(leader)
  [[ $first != "$second" ]] || die "$first still leads"
}
leader() {
  local pod leaders=()
  for pod in $(results get pods --selector=app.kubernetes.io/component=watch --output=jsonpath='{.items[*].metadata.name}'); do
    # The whole log, because nobody may leave a pipe early.
    [[ $(results logs "$pod") != *'leading: following the changes'* ]] || leaders+=("$pod")
  done
  is "the number of leaders" "${#leaders[@]}" 1
  echo "${leaders[0]}"
}

# `kubectl scale` takes any number but 0 for its own.
the_overlay_leaves_both_watchers_and_refuses_a_number_from_elsewhere() {
  apply_overlay
  is "the number of watchers" "$(number_of_watchers)" 2
  results scale deployment/watch --replicas=1 >/dev/null
  ! kubectl apply --server-side --filename="$work/local.yaml" >"$work/apply.log" 2>&1 || die "it was applied"
  [[ $(<"$work/apply.log") == *'conflict with "kubectl"'* ]] || die "it was refused otherwise: $(tail -n 3 "$work/apply.log")"
  results scale deployment/watch --replicas=2 >/dev/null
  apply_overlay
  is "the number of watchers" "$(number_of_watchers)" 2
}
number_of_watchers() { results get deployment watch --output=jsonpath='{.spec.replicas}'; }

prometheus_finds_every_part_and_every_node_and_tries_the_front() {
  local may space target
  kubectl create namespace monitoring >/dev/null
  kubectl label namespace monitoring pod-security.kubernetes.io/enforce=privileged >/dev/null
  kubectl create configmap blackbox-exporter --namespace=monitoring --from-file="$root/infra/prometheus/blackbox.yml" >/dev/null
  kubectl apply --server-side --kustomize="$here/monitoring" >/dev/null
  kubectl --namespace=monitoring rollout status daemonset/node-exporter deployment/blackbox-exporter --timeout=60s >/dev/null
  for space in "$namespace" monitoring; do
    may=$(kubectl auth can-i list pods --namespace="$space" --as=system:serviceaccount:monitoring:prometheus) || true
    is "whether Prometheus may list the pods of $space" "$may" yes
  done
  within 60 "the jobs" jobs_are "2 nginx 1 node 2 publish 3 serve"
  while read -r _ target; do
    curl --noproxy '*' -fs -m 2 -o "$work/figures" "http://$target" || die "http://$target does not answer"
    grep -q '^# TYPE ' "$work/figures" || die "http://$target tells nothing"
  done <"$work/targets"
  target=$(kubectl --namespace=monitoring get service blackbox-exporter --output=jsonpath='{.spec.clusterIP}'):9115
  curl --noproxy '*' -fs -m 5 -o "$work/figures" "http://$target/probe?module=release&target=http://nginx.$namespace.svc/release.json" ||
    die "the blackbox exporter does not answer"
  grep -qx 'probe_success 1' "$work/figures" || die "the blackbox exporter does not see the release through NGINX"
}

# As infra/prometheus/examples/kubernetes.yml finds them: `targets` has the job and the address of each.
jobs_are() {
  kubectl get pods --all-namespaces --output=json | jq -r '.items[] | .metadata.annotations as $told
    | select($told."prometheus.io/scrape" == "true" and .status.phase == "Running")
    | "\(.metadata.labels."app.kubernetes.io/name") \(.status.podIP):\($told."prometheus.io/port")\($told."prometheus.io/path")"' >"$work/targets"
  [[ $(cut -d' ' -f1 "$work/targets" | sort | uniq -c | xargs) == "$1" ]]
}

collecting_is_there_and_rests() {
  is "whether the clock starts it" "$(results get cronjob collect --output=jsonpath='{.spec.suspend}')" true
  job collect | sed 's/^/  /'
}

no_pod_was_restarted_or_killed_for_its_memory() {
  local bad
  bad=$(results get pods --output=json | jq -r '.items[] | .metadata.name as $pod | .status.containerStatuses[]?
    | select(.lastState.terminated.reason == "OOMKilled" or .restartCount > 1) | $pod')
  [[ -z $bad ]] || die "$bad was"
}
