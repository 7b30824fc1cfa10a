#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the object store on the node network.
set -u
. /testbed/nodes/common.sh
add_routes
mkdir -p /data/objects /data/users /data/versions
supervise versitygw /parts/versitygw/versitygw --access "$ACCESS_KEY" --secret "$SECRET_KEY" --port ":$PORT" \
  --iam-dir /data/users --quiet posix --versioning-dir /data/versions /data/objects
trap 'exit 0' TERM INT
wait
