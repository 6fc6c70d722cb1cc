# shellcheck shell=bash
# Making Jobs of the CronJobs that no clock starts, and waiting for them; read by job and publish-in-parts.

NAMESPACE=${NAMESPACE:-results-day}
# Seconds that a job may take.
PATIENCE=${PATIENCE:-3600}

die() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}

kubectl() { command kubectl --namespace "$NAMESPACE" "$@"; }

# A Job of the CronJob $1, altered by the jq program $2, which may use the arguments that follow. Its name is in `created`.
create() {
  local template=$1 alter=$2
  shift 2
  created=$template-$(date -u +%Y%m%d-%H%M%S)-$RANDOM
  kubectl create job "$created" --from="cronjob/$template" --dry-run=client --output=json |
    jq "$alter" --args -- "$@" |
    kubectl create --filename=- >/dev/null
}

# Waits until a Job has ended, shows what it said, and fails if it did.
await() {
  local job=$1 state deadline=$((SECONDS + PATIENCE))
  until state=$(kubectl get job "$job" --output=json | jq -er \
    '.status.conditions // [] | map(select(.status == "True") | .type | select(. == "Complete" or . == "Failed")) | first'); do
    ((SECONDS < deadline)) || die "$job has not ended within $PATIENCE s; it goes on: kubectl logs job/$job"
    sleep 0.5
  done
  kubectl logs --selector="job-name=$job" --tail=-1 || true
  [[ $state == Complete ]] || die "$job failed; see above, or kubectl describe job/$job"
}
