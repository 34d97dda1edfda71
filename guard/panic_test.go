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

// here is the line it is called from, and the next one is the one that panics.
func here() int {
	_, _, line, _ := runtime.Caller(1) //nolint:dogsled // only the line counts
	return line
}

// A panic is a bug that somebody has to find: its error says where, and never
// what the value was.
func TestAPanicIsFoundAgain(t *testing.T) {
	var line int
	var none *aureus.Request
	var list []int
	var noMap map[string]int
	for name, row := range map[string]struct {
		panics func()
		kind   string
	}{
		"a text": {func() {
			line = here()
			panic("the secret")
		}, "string"},
		"a value of its own": {func() {
			line = here()
			panic(broken{"the secret"})
		}, "guard_test.broken"},
		"an error": {func() {
			line = here()
			panic(errors.New("the secret"))
		}, "*errors.errorString"},
		"nil": {func() {
			line = here()
			panic(nil) //nolint:govet // as bad as any
		}, "*runtime.PanicNilError"},
		"a nil pointer": {func() {
			line = here()
			_ = none.Tool
		}, "runtime.errorString"},
		"an index": {func() {
			line = here()
			_ = list[len(noMap)]
		}, "runtime.boundsError"},
		"a nil map": {func() {
			line = here()
			noMap["the secret"] = 1
		}, "runtime.plainError"},
		"a panic while another one passes": {func() {
			defer func() {
				line = here()
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
