module testbed.quorate.dev/pause

go 1.26.0
