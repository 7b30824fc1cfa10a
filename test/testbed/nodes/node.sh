#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Turns a container into a Kubernetes node: prepares the kernel's view, then runs containerd, kubelet and kube-proxy.
set -u
. /testbed/nodes/common.sh

mount --make-rshared /
mount -o remount,rw /proc/sys 2>/dev/null
mount -o remount,rw /sys
[ -e /dev/kmsg ] || ln -s /dev/null /dev/kmsg
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  # cgroup v2: processes may not live in a group that hands controllers down, so they move to a leaf first.
  mount -o remount,bind,rw /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null; done </sys/fs/cgroup/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
else
  # cgroup v1: one mount for each controller, made read-only by the engine.
  for mount in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$mount"; done
fi
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
add_routes

# Loop devices for volumes: all nodes share the machine's, and a container's /dev starts without them.
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
i=0
while [ $i -lt 256 ]; do
  [ -e /dev/loop$i ] || mknod /dev/loop$i b 7 $i
  i=$((i + 1))
done

# Faults of the network have chains of their own, so that healing is emptying them; in the table mangle, because kube-proxy
# puts rules before all others of the table filter, and takes what belongs to a known connection.
for chain in TESTBED-PODS TESTBED-NODE; do iptables -t mangle -N $chain 2>/dev/null; done
iptables -t mangle -I FORWARD -j TESTBED-PODS
for hook in INPUT OUTPUT FORWARD; do iptables -t mangle -I $hook -j TESTBED-NODE; done

supervise containerd containerd --config=/config/containerd.toml
# Sockets of the last run would be taken for a plugin that answers.
rm -f /var/lib/kubelet/plugins_registry/*.sock
supervise csi-driver /testbed/node /testbed/storage/main.ts --mode=node --name="$CSI_DRIVER" --node="$NODE"
while [ ! -S /run/containerd/containerd.sock ]; do sleep 0.05; done
supervise kubelet /parts/kubernetes/kubelet --config=/config/kubelet.yaml --kubeconfig=/pki/$NODE.kubeconfig \
  --hostname-override="$NODE" --node-ip="$ADDRESS" --node-labels="topology.kubernetes.io/zone=$ZONE"
supervise kube-proxy /parts/kubernetes/kube-proxy --kubeconfig=/pki/proxy.kubeconfig --hostname-override="$NODE" \
  --cluster-cidr="$PODS" --proxy-mode=iptables \
  --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0

# An orderly stop tells all containers to end and gives them five seconds.
orderly() {
  pkill -STOP -x kubelet
  for task in $(ctr --namespace k8s.io tasks list --quiet); do
    ctr --namespace k8s.io tasks kill --signal SIGTERM "$task" 2>/dev/null
  done
  n=0
  while [ $n -lt 50 ] && pgrep -x 'etcd|node' >/dev/null; do
    sleep 0.1
    n=$((n + 1))
  done
  exit 0
}
trap orderly TERM INT
wait
