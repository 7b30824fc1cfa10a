# SPDX-License-Identifier: Apache-2.0
# Shared by the start scripts of all containers: logs, restart loops, routes.
LOG=/var/log/testbed
mkdir -p "$LOG"

# supervise NAME COMMAND…: runs a command in the background and again whenever it ends.
supervise() {
  name=$1
  shift
  (
    while :; do
      "$@" >>"$LOG/$name.log" 2>&1
      echo "testbed: $name ended with $?" >>"$LOG/$name.log"
      sleep 0.3
    done
  ) &
}

# Routes to the pods of the other nodes: ROUTES is "CIDR=ADDRESS …".
add_routes() {
  for route in $ROUTES; do
    ip route replace "${route%=*}" via "${route#*=}"
  done
}
