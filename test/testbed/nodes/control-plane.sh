#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the control plane, and next to it the half of the storage driver that needs no node.
set -u
. /testbed/nodes/common.sh
add_routes
mkdir -p /var/lib/etcd /var/lib/kubelet/plugins

# A test cluster's store need not survive a power cut: without fsync it does not wait for the disk.
supervise etcd /parts/etcd-3.6/etcd --data-dir=/var/lib/etcd/data --unsafe-no-fsync --quota-backend-bytes=4294967296 \
  --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380

supervise kube-apiserver /parts/kubernetes/kube-apiserver \
  --etcd-servers=http://127.0.0.1:2379 \
  --advertise-address="$ADDRESS" --secure-port=6443 \
  --client-ca-file=/pki/ca.crt --tls-cert-file=/pki/apiserver.crt --tls-private-key-file=/pki/apiserver.key \
  --kubelet-client-certificate=/pki/apiserver-kubelet-client.crt \
  --kubelet-client-key=/pki/apiserver-kubelet-client.key \
  --kubelet-preferred-address-types=InternalIP \
  --service-cluster-ip-range="$SERVICES" \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file=/pki/service-accounts.pub \
  --service-account-signing-key-file=/pki/service-accounts.key \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --audit-policy-file=/config/audit.yaml --audit-log-path="$LOG/audit.log" --audit-log-maxsize=500 --audit-log-maxbackup=2

supervise kube-controller-manager /parts/kubernetes/kube-controller-manager \
  --kubeconfig=/pki/controller-manager.kubeconfig --use-service-account-credentials=true \
  --service-account-private-key-file=/pki/service-accounts.key --root-ca-file=/pki/ca.crt \
  --leader-elect=false --node-monitor-grace-period=20s

supervise kube-scheduler /parts/kubernetes/kube-scheduler --kubeconfig=/pki/scheduler.kubeconfig --leader-elect=false

supervise csi-driver /testbed/node /testbed/storage/main.ts --mode=controller --name="$CSI_DRIVER" --node=control-plane
CSI_SOCKET=/var/lib/kubelet/plugins/$CSI_DRIVER/csi.sock
supervise csi-provisioner /parts/csi-provisioner/csi-provisioner --kubeconfig=/pki/csi-controller.kubeconfig \
  --csi-address="$CSI_SOCKET" --default-fstype=xfs --volume-name-prefix=volume --timeout=30s --retry-interval-start=500ms
supervise csi-resizer /parts/csi-resizer/csi-resizer --kubeconfig=/pki/csi-controller.kubeconfig \
  --csi-address="$CSI_SOCKET" --handle-volume-inuse-error=false --timeout=30s --retry-interval-start=500ms

trap 'exit 0' TERM INT
wait
