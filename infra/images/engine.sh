# shellcheck shell=bash
# Docker's engine for a test, and what those who make images and containers share; read by infra/compose/test,
# infra/kubernetes/test, infra/kubernetes/images and infra/systemd/test. They have set `work`, a folder of their own.

engine=''

say() { printf '%s\n' "$*" >&2; }
die() {
  say "FAILED: $*"
  exit 1
}

# Until COMMAND... succeeds.
within() { # SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || die "not in time: $what"
    sleep 0.2
  done
}

# An engine for this test alone, where none runs.
start_engine() {
  ! docker info >/dev/null 2>&1 || return 0
  [[ $EUID == 0 ]] || die "no Docker engine answers, and only root may start one"
  # shellcheck disable=SC2154 # set by whoever reads this
  setsid dockerd >"$work/dockerd.log" 2>&1 &
  engine=$!
  within 60 "the engine answers; its log is $work/dockerd.log" docker_answers
}
docker_answers() { docker info >/dev/null 2>&1; }

stop_engine() {
  [[ $engine ]] || return 0
  kill "$engine" && tail -s 0.2 --pid="$engine" -f /dev/null
}

# An image of nothing but ready-made programs: NAME:TAG FOLDER PROGRAM...
image_of() {
  local image=$1 folder=$2 context said
  shift 2
  context=$work/image/$image
  mkdir -p "$context/root/$folder"
  said=$(cp -L "$@" "$context/root/$folder" 2>&1) || die "$image cannot be made: $said"
  printf 'FROM scratch\nCOPY root /\n' >"$context/Dockerfile"
  said=$(docker build -q -t "$image" "$context" 2>&1) || die "docker cannot build $image: $said"
}

# Runs functions, whose names are sentences, one after the other; each in a shell of its own, which ends at the first
# command that fails.
run_tests() {
  local test started status
  for test; do
    started=$SECONDS
    set +e
    (set -e; "$test")
    status=$?
    set -e
    ((status == 0)) || die "${test//_/ }"
    say "ok: ${test//_/ } ($((SECONDS - started)) s)"
  done
}
