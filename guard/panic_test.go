package guard_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

type broken struct{ secret string }

// callerLine returns the line from which it is called. In each case below, the line
// after that call panics.
func callerLine() int {
	_, _, line, _ := runtime.Caller(1) //nolint:dogsled // only the line is needed
	return line
}

// The error for a panic names the line, so that the bug can be found, and never
// the panic value, which may hold a secret.
func TestDecide_Panic_ErrorNamesTheLineAndNotTheValue(t *testing.T) {
	var line int
	var none *aureus.Request
	var list []int
	var noMap map[string]int
	for name, row := range map[string]struct {
		panics func()
		kind   string
	}{
		"a text": {func() {
			line = callerLine()
			panic("the secret")
		}, "string"},
		"a value of a custom type": {func() {
			line = callerLine()
			panic(broken{"the secret"})
		}, "guard_test.broken"},
		"an error": {func() {
			line = callerLine()
			panic(errors.New("the secret"))
		}, "*errors.errorString"},
		"nil": {func() {
			line = callerLine()
			panic(nil) //nolint:govet // a nil panic must be reported like any other
		}, "*runtime.PanicNilError"},
		"a nil pointer": {func() {
			line = callerLine()
			_ = none.Tool
		}, "runtime.errorString"},
		"an index": {func() {
			line = callerLine()
			_ = list[len(noMap)]
		}, "runtime.boundsError"},
		"a nil map": {func() {
			line = callerLine()
			noMap["the secret"] = 1
		}, "runtime.plainError"},
		"a panic during another panic": {func() {
			defer func() {
				line = callerLine()
				panic(broken{"the secret"})
			}()
			panic("the first secret")
		}, "guard_test.broken"},
	} {
		t.Run(name, func(t *testing.T) {
			decider := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
				row.panics()
				return aureus.Decision{Effect: aureus.Allow}, nil
			})
			decision, err := guard.Decide(t.Context(), decider, lowRisk())
			require.ErrorIs(t, err, guard.ErrUndecided)
			require.Equal(t, aureus.Decision{}, decision)
			require.ErrorContains(t, err, "of type "+row.kind+" at ")
			require.ErrorContains(t, err, fmt.Sprintf(" at guard/panic_test.go:%d", line+1))
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
