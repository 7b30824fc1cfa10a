// SPDX-License-Identifier: Apache-2.0

// The pause program holds the namespaces of a pod: it waits until it is told to end.
package main

import (
	"os/signal"
	"syscall"

	"os"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
