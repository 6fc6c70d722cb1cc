# shellcheck shell=bash
# Where the one-node cluster for tests lies, and what its parts are; read by build, up, load and down.
# infra/processes.sh starts, finds, awaits and ends them, as it does for infra/stack.

root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")
CLUSTER_DIR=$(realpath -m "${CLUSTER_DIR:-$root/var/kubernetes}")
tools=$(realpath -m "${RESULTS_DAY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/results-day/tools}/cluster")
bin=$tools/bin
KUBECONFIG=$CLUSTER_DIR/kubeconfig
export KUBECONFIG

# The node has an address of its own, on a link that leads nowhere: nothing outside this machine reaches it.
node=10.89.0.1
node_link=results-node
pods_link=results-pods
pods_network=10.88.0.0/16
services_network=10.96.0.0/16
containerd_state=/run/results-day-containerd
containerd_socket=$containerd_state.sock

# What a node changes of its machine.
kernel_settings=(net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

parts=(etcd apiserver controllers scheduler containerd kubelet proxy dns)

die() {
  printf 'infra/kubernetes/cluster: %s\n' "$*" >&2
  exit 1
}
be_root() { [[ $EUID == 0 ]] || die "a node needs root: it makes links, mounts and control groups"; }

addresses_of() {
  case $1 in
    etcd) echo ETCD_ADDRESS ;;
    apiserver) echo API_ADDRESS ;;
    dns) echo DNS_ADDRESS ;;
  esac
}
ETCD_ADDRESS=127.0.0.1:2379
API_ADDRESS=$node:6443
DNS_ADDRESS=$node:53
export ETCD_ADDRESS API_ADDRESS DNS_ADDRESS

kubectl() { "$bin/kubectl" "$@"; }
ctr() { command ctr --address "$containerd_socket" --namespace k8s.io "$@"; }

# What processes.sh calls the folder of a stack.
STACK_DIR=$CLUSTER_DIR
# shellcheck source=infra/processes.sh
. "$root/infra/processes.sh"
