# shellcheck shell=bash
# What the checks of infra/kubernetes/test ask and do; read by it, after infra/images/engine.sh.

namespace=results-day
results() { kubectl --namespace "$namespace" "$@"; }

# ---- Asking ----

# Asks NGINX for a path, with curl's further arguments: `status`, `head` and `body` are the answer's.
ask() {
  local path=$1 head_file=$work/head body_file=$work/body
  shift
  status=$(curl --noproxy '*' -s -m 10 -o "$body_file" -D "$head_file" -w '%{http_code}' "$@" "$base_url$path") || status="nothing ($?)"
  head=$(tr -d '\r' <"$head_file")
  body=$(tr -d '\0' <"$body_file")
}
is_answered_with() { ask "$1" && [[ $status == "$2" ]]; }

# A header's value.
header() { sed -n "s/^$1: //Ip" <<<"$head"; }

is() { [[ $2 == "$3" ]] || die "$1 is \"$2\" and should be \"$3\""; }

# ---- Load ----

# Loads the cluster until `end_load`, and comes back when it is under load.
begin_load() {
  local before
  before=$(asked_of_nginx)
  rm -f "$work/load.json"
  "$k6" run --quiet --no-usage-report --no-color --summary-export "$work/load.json" -e BASE_URL="$base_url" \
    -e STUDENTS="$STUDENTS" -e RATE="$RATE" "$here/test.d/load.js" >"$work/load.log" 2>&1 &
  load=$!
  within 30 "the load" eval '(($(asked_of_nginx) >= before + RATE))'
}

# How many requests NGINX has had, in all its pods.
asked_of_nginx() {
  local address sum=0 of_this
  for address in $(results get pods --selector=app.kubernetes.io/name=nginx --output=jsonpath='{.items[*].status.podIP}'); do
    of_this=$(curl --noproxy '*' -s -m 2 "http://$address:8082/status" | awk 'NR == 3 { print $3 }')
    sum=$((sum + ${of_this:-0}))
  done
  echo "$sum"
}

# Ends it, and says how many requests there were and how many of them failed, in `requests` and `failures`.
end_load() {
  kill -INT "$load"
  wait "$load" || true
  load=
  requests=$(jq '.metrics.http_reqs.count' "$work/load.json")
  failures=$(jq '.metrics.checks.fails' "$work/load.json")
  ((requests > RATE)) || die "only $requests requests were made; see $work/load.log"
}

none_failed() {
  end_load
  ((failures == 0)) || die "$failures of $requests requests failed; see $work/load.log"
  echo "  $requests requests under way meanwhile, none failed"
}

# ---- Pods ----

pods_of() { results get pods --selector="app.kubernetes.io/name=$1" --output=jsonpath='{.items[*].metadata.name}'; }

# Kills a pod's container as a crash would, and waits for its next start.
kill_container() {
  local pod=$1 container
  container=$(results get pod "$pod" --output=jsonpath='{.status.containerStatuses[0].containerID}')
  ctr tasks kill --signal SIGKILL "${container#containerd://}"
  within 60 "the container's next start" eval \
    '[[ $(results get pod "$pod" --output=jsonpath={.status.containerStatuses[0].restartCount}) == 1 ]]'
}

# The overlay as its operator has it now, in local.yaml.
apply_overlay() {
  kubectl apply --server-side --filename="$work/local.yaml" >"$work/apply.log" 2>&1 ||
    die "the overlay cannot be applied: $(tail -n 3 "$work/apply.log")"
}
# Writes something else in place of a line's end.
edit_overlay() { # FROM TO
  grep -q "$1\$" "$work/local.yaml" || die "the overlay has no $1"
  sed -i "s|$1\$|$2|" "$work/local.yaml"
}

# Whether so many servers are ready, all of one version, and no other is left.
serves() {
  [[ $(results get deployment serve --output=jsonpath='{.status.readyReplicas}/{.status.updatedReplicas}') == "$1/$1" &&
    $(pods_of serve | wc -w) == "$1" ]]
}

sql() { results exec postgres-0 --quiet -- psql -qXAt -v ON_ERROR_STOP=1 -h /run/postgresql -d results -c "$1"; }

# Whether every replica says this of its release.json; each is asked by itself, at its pod's address.
every_replica_says() {
  local address addresses
  addresses=$(results get pods --selector=app.kubernetes.io/name=serve --output=json |
    jq -r '.items[] | select(.metadata.deletionTimestamp == null) | .status.podIP')
  for address in $addresses; do
    [[ $(curl --noproxy '*' -s -m 2 "http://$address:8081/release.json" | jq "$1") == true ]] || return
  done
}
