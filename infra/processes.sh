# shellcheck shell=bash
# Starting, finding, awaiting and ending the parts of the stack; read by infra/stack, which says what the parts are.
# Of a part that runs, STACK_DIR/run/PART holds the process id, what tells the process from every other, and where it
# listens.

boot=$(</proc/sys/kernel/random/boot_id)

# What, beside its id, tells a process from every other: ids are used again. Nothing for one that has ended.
birth() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The name, in brackets, may hold anything; behind it come the third field and those after.
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] ]] && echo "$boot ${stat[19]}"
}

# Reads what was written down when a part was started: pid, born, listening.
recall() {
  pid='' born='' listening=''
  [[ -e $STACK_DIR/run/$1 ]] && { read -r pid && read -r born && read -r listening; } <"$STACK_DIR/run/$1"
}
alive() { recall "$1" && [[ -n $born && $(birth "$pid") == "$born" ]]; }

addresses() {
  local variable all=()
  for variable in $(addresses_of "$1"); do all+=("$variable=${!variable}"); done
  echo "${all[*]}"
}

# Starts a part in a session of its own, so that it outlives this script and its terminal. A background process is
# no group's leader, so setsid keeps its id.
launch() {
  local part=$1
  shift
  [[ $1 == as_postgres ]] || set -- exec setsid "$@"
  ("$@") </dev/null >>"$STACK_DIR/log/$part.log" 2>&1 9>&- &
  printf '%s\n' "$!" "$(birth $!)" "$(addresses "$part")" >"$STACK_DIR/run/$part.new"
  mv "$STACK_DIR/run/$part.new" "$STACK_DIR/run/$part"
}

# Ends what a part that was killed has left behind. NGINX's workers go on without their master, and hold the port; they
# are in its session, whose number nobody else gets while one of them lives. PostgreSQL's processes have sessions of
# their own and end when they notice, and until then no new server may touch the data; they work in its folder.
clear_remains() {
  local process stat left deadline=$((SECONDS + 10))
  # Of another boot, or with its id in use again, it has left no session.
  if ! recall "$1" || [[ ${born% *} != "$boot" || -n $(birth "$pid") ]]; then pid=none; fi
  while :; do
    left=
    for process in /proc/[0-9]*; do
      { read -r stat <"$process/stat"; } 2>/dev/null || continue
      read -ra stat <<<"${stat##*) }"
      [[ ${stat[0]} != [ZX] ]] || continue
      [[ ${stat[3]} == "$pid" || ($1 == postgres && $(readlink "$process/exe") == */postgres && $(readlink "$process/cwd") == "$STACK_DIR/postgres") ]] || continue
      left=${process#/proc/}
      kill -KILL "$left" 2>/dev/null || true
    done
    [[ $left ]] || return 0
    ((SECONDS < deadline)) || die "process $left is left of $1, and does not end"
    sleep 0.02
  done
}

await() {
  local part=$1 deadline=$((SECONDS + 60)) revived=
  until ready "$part"; do
    # What was about to stop when it was looked for is started now, once.
    if ! alive "$part"; then
      [[ ! $revived ]] || failed "$part" "$part ended"
      revived=yes
      revive "$part"
    fi
    ((SECONDS < deadline)) || failed "$part" "$part was not ready within 60 s"
    sleep 0.05
  done
}
failed() {
  echo "--- the end of $STACK_DIR/log/$1.log" >&2
  tail -n 10 "$STACK_DIR/log/$1.log" >&2
  die "$2; its log is $STACK_DIR/log/$1.log"
}

# Whether somebody listens there.
taken() { (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; }

# Stops a part, gently at first.
stop() {
  local part=$1 signal=TERM deadline=$((SECONDS + 30))
  if alive "$part"; then
    # PostgreSQL would wait for its clients to leave.
    [[ $part != postgres ]] || signal=INT
    kill -s "$signal" "$pid" 2>/dev/null || true
    while alive "$part"; do
      if ((SECONDS >= deadline)); then
        echo "$part (process $pid) did not stop within 30 s and is killed" >&2
        kill -KILL "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 30))
      fi
      sleep 0.05
    done
    echo "stopped $part"
  fi
  clear_remains "$part"
  rm -f "$STACK_DIR/run/$part"
}
