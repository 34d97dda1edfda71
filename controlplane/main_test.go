package controlplane_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(spoolingURL); url != "" { // a process that a test has started, to kill it
		fmt.Fprintln(os.Stderr, decideUntilKilled(url))
		return
	}
	goleak.VerifyTestMain(m)
}
